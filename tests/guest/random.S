# Runs whatever a test has put at `program` (random_test.cc), again and again from somewhere else:
# every exception and interrupt is folded into a sum that decides where it goes on. The test stops it.
        .include "guest.inc"
        .include "user.inc"
        .include "pages.inc"

        .set PROGRAM_BYTES, 4096
        .set TIMER, PIC_BASE

main:
        call user_init
        call window_init
        # Pages of the window: 0 to 7 and no others, of which 2 is missing, 3 read-only, 4 the kernel's,
        # 5 not executable and 6 the first page of the program.
        hide 2
        mov qword ptr [window_table + 8 * 3], FRAMES + 4096 * 3 + 5
        mov qword ptr [window_table + 8 * 4], FRAMES + 4096 * 4 + 3
        mov rax, 0x8000000000000007 + FRAMES + 4096 * 5
        mov [window_table + 8 * 5], rax
        mov qword ptr [window_table + 8 * 6], offset program + 7
        lea rdi, [window_table + 8 * 8]
        xor eax, eax
        mov ecx, 512 - 8
        rep stosq
        # All of them accessed: what is fetched ahead depends on the engine.
        xor ebx, ebx
1:      or byte ptr [window_table + rbx * 8], 0x20
        inc ebx
        cmp ebx, 8
        jne 1b
        and byte ptr [window_table + 8 * 2], ~0x20
        # Whoever goes astray finds something to do: more of the program, or a trap.
        mov ebx, FRAMES
        cld
2:      mov esi, offset program
        mov edi, ebx
        mov ecx, 512
        rep movsq
        add ebx, 4096
        cmp ebx, FRAMES + 4096 * 8
        jne 2b
        xor edi, edi
        mov ecx, 64
        mov rax, 0xcccccccccccccccc
        rep stosq
        lea rdi, [user_stack_top - 64]
        lea rax, [program]
        mov ecx, 16
3:      stosq
        add rax, 251
        loop 3b
        mov ecx, 0xc0000080
        rdmsr
        or eax, 0x801               # NXE and SYSCALL.
        wrmsr
        mov ecx, 0xc0000081
        xor eax, eax
        mov edx, (0x18 << 16) | KCODE
        wrmsr
        mov ecx, 0xc0000082
        lea rax, [on_syscall]
        xor edx, edx
        wrmsr
        mov ecx, 0xc0000084
        mov eax, IF | TF | 0x400
        wrmsr
        mov rax, cr0
        bts rax, 16                 # WP
        mov cr0, rax
        mov rax, cr3
        mov cr3, rax
        # Every vector, on a stack of its own.
        xor ebx, ebx
1:      mov qword ptr [handlers + rbx * 8], offset on_anything
        mov edi, ebx
        mov esi, 1
        call set_ist
        inc ebx
        cmp ebx, 256
        jne 1b
        mov al, 0xfe
        mov ah, 0xff
        call pic_init
        mov ax, 10
        call pit_periodic
        mov byte ptr [tss_bitmap + 0x80 / 8], 0xfe
        mov byte ptr [tss_bitmap + 0xe9 / 8], 0xfd
        mov rax, [seed]
        mov [sum], rax
        mov rsp, offset kernel_stack_top
        push 0                      # A frame like any other.
        push 0xff
        lea rdi, [rsp - F_VECTOR]
        jmp go_on

# RDI: frame.
on_anything:
        cmp qword ptr [rdi + F_VECTOR], TIMER
        jne 1f
        mov al, 0x20
        out 0x20, al
1:      mov rax, [sum]
        mov ecx, 31
        .irp field, F_VECTOR, F_ERROR, F_RIP, F_RFLAGS, F_CS, F_RAX, F_RCX, F_RSP
        mul rcx
        add rax, [rdi + \field]
        mov ecx, 31
        .endr
        cmp qword ptr [rdi + F_VECTOR], 14
        jne 2f
        mul rcx
        mov rdx, cr2
        add rax, rdx
2:      mov [sum], rax
        inc qword ptr [events]
        cmp qword ptr [rdi + F_VECTOR], TIMER
        jne 3f
        test eax, 0x100             # It may be in a loop.
        jz go_on
        jmp resume
3:      cmp qword ptr [rdi + F_VECTOR], 1
        jne 4f
        test eax, 0x700             # Mostly it goes on with single steps.
        jz go_on
        jmp resume
4:      cmp qword ptr [rdi + F_VECTOR], 3
        je resume
        cmp qword ptr [rdi + F_VECTOR], 0x80
        je resume
        cmp qword ptr [rdi + F_VECTOR], 14
        jne go_on
        # Sometimes the missing page comes, or goes again.
        test eax, 0x3000
        jnz go_on
        xor qword ptr [window_table + 8 * 2], FRAMES + 4096 * 2 + 0x27
        invlpg [WINDOW + 4096 * 2]
go_on:  mov rax, [sum]
        mov rcx, 0x5851f42d4c957f2d
        mul rcx
        add rax, 0x14057b7e
        mov [sum], rax
        mov rbx, rax
        shr rax, 33
        xor edx, edx
        mov ecx, PROGRAM_BYTES - 256
        div ecx
        add edx, offset program
        mov eax, offset user_stack_top
        test byte ptr [kernel_mode], 1
        mov ecx, KDATA
        mov esi, KCODE
        jnz 5f
        mov ecx, UDATA
        mov esi, UCODE64
        test ebx, 0x7000
        jnz 5f
        mov esi, UCODE32
5:      lea rsp, [ist1_top]
        push rcx
        push rax
        push IF | 2
        push rsi
        push rdx
        mov rdi, rbx
        mov rsi, offset program
        mov rbp, offset user_stack_top - 512
        iretq
resume: ret                         # Through isr_common, with all registers.

on_syscall:
        mov rsp, offset kernel_stack_top
        inc qword ptr [events]
        mov rax, rcx
        add [sum], rax
        test al, 7
        mov rsp, offset user_stack_top
        jz 1f
        sysretq
1:      push 0
        push 0xff
        lea rdi, [rsp - F_VECTOR]
        jmp go_on

        .data
        .balign 8
        .ascii "random: "           # So that the test finds what it has to fill.
seed:   .quad 1
kernel_mode: .quad 0
sum:    .quad 0
events: .quad 0
        .balign 4096
        .ascii "program:"
        .fill 4088, 1, 0x90
program:
        .fill PROGRAM_BYTES + 4096, 1, 0x90
        .text
