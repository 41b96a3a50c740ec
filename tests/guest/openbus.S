# Where nothing answers: reads give ones, writes are lost, and code made of ones is no instruction.
        .include "guest.inc"
        .include "pages.inc"

        .set BUS, 0xe0000000        # Between RAM and 4 GiB: nobody there.

main:
        mov ebx, BUS
        call accesses
        call fetches
        # Behind 4 GiB and at the end of 40 bits; what is beyond is reserved in a page table.
        call window_init
        mov rbx, WINDOW
        mov rdx, 0x100000000
        call through_window
        mov rdx, 0xfffffff000
        call through_window
        mov rdx, 0x10000000007
        mov [window_table], rdx
        invlpg [rbx]
        faults "#PF physical address too long", 14, 9, mov rax, [rbx]
        call tables_on_the_bus
        ret

# RDX: frame.
through_window:
        or rdx, 7
        mov [window_table], rdx
        invlpg [rbx]
        call accesses
        call fetches
        ret

accesses:
        mov rax, [rbx]
        cmp rax, -1
        must_be_equal "8 bytes of an open bus"
        mov eax, [rbx + 12]
        cmp eax, -1
        must_be_equal "4 bytes of an open bus"
        movzx eax, byte ptr [rbx + 15]
        cmp eax, 0xff
        must_be_equal "a byte of an open bus"
        mov qword ptr [rbx], 0
        mov byte ptr [rbx + 3], 1
        lock inc dword ptr [rbx + 4]
        cmp qword ptr [rbx], -1
        must_be_equal "an open bus written to"
        lea rsi, [rbx]
        lea rdi, [rbx + 256]
        mov ecx, 8
        rep movsq
        movups xmm0, [rbx]
        movups [rbx + 16], xmm0
        movq rax, xmm0
        cmp rax, -1
        must_be_equal "16 bytes of an open bus"
        println "ok accesses"
        ret

fetches:
        expect_exception "#UD jump to an open bus", 6, 0, 0, 1f, RF
        mov [want + 16], rbx
        jmp rbx
1:      call check_exception
        expect_exception "#UD call of an open bus", 6, 0, 0, 1f, RF
        lea rax, [rbx + 0x123]
        mov [want + 16], rax
        call rax
1:      add rsp, 8
        call check_exception
        ret

# A page table there has only reserved bits set.
tables_on_the_bus:
        mov rdx, cr3
        mov rdx, [rdx]
        and edx, ~0xfff
        mov eax, BUS + 3
        mov [rdx + 16], rax         # The third GiB.
        mov eax, 0x80000123
        faults "#PF page table on an open bus", 14, 9, mov rcx, [rax]
        mov rax, cr2
        mov ecx, 0x80000123
        cmp rax, rcx
        must_be_equal "CR2 of a page table on an open bus"
        ret
