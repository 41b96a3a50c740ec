# Exceptions while an exception is delivered: which one is delivered in the end, on which stack, and
# the triple fault, which resets the machine. CMOS RAM, which a reset leaves alone, tells how often
# the guest has been booted.
        .include "guest.inc"

        .set HOLE, 0x40000000       # The second GiB, not mapped.
        .set BOOTS, 0x50            # In CMOS RAM.

main:
        mov al, BOOTS
        out 0x70, al
        in al, 0x71
        inc al
        mov bl, al
        mov al, BOOTS
        out 0x70, al
        mov al, bl
        out 0x71, al
        movzx eax, bl
        print "boot "
        print_rax
        println ""
        cmp eax, 1
        je first_boot
        cmp eax, 2
        je second_boot
        cmp eax, 3
        je third_boot
        ret

# A stack that can be pushed to is the least that #DF needs: it gets IST 1 here.
first_boot:
        mov rax, cr3
        mov rax, [rax]
        and eax, ~0xfff
        mov qword ptr [rax + 8], 0
        mov rax, cr3
        mov cr3, rax
        mov edi, 8
        mov esi, 1
        call set_ist
        call contributory
        call benign
        call stacks
        call task_state
        println "triple fault: no IDT"
        mov word ptr [idt_pointer], 0
        lidt [idt_pointer]
        ud2
second_boot:
        println "triple fault: no stack for #DF"
        mov rax, cr3
        mov rax, [rax]
        and eax, ~0xfff
        mov qword ptr [rax + 8], 0
        mov rax, cr3
        mov cr3, rax
        mov rsp, HOLE + 0x1000
        push rax
third_boot:
        println "triple fault: #DF not present"
        and byte ptr [idt + 16 * 8 + 5], 0x7f
        and byte ptr [idt + 16 * 13 + 5], 0x7f
        and byte ptr [idt + 16 * 11 + 5], 0x7f
        mov eax, 0x1230
        mov ds, eax
        fail "third boot went on"

# The gate of a vector is taken away, or comes back.
        .macro no_gate vector:req
        and byte ptr [idt + 16 * \vector + 5], 0x7f
        .endm
        .macro gate vector:req
        or byte ptr [idt + 16 * \vector + 5], 0x80
        .endm

        .macro double_faults name:req, insns:vararg
        expect_exception "\name", 8, 0, 1f, 2f, 0
1:      \insns
2:      call check_exception
        .endm

contributory:
        no_gate 0
        mov eax, 1
        xor edx, edx
        xor ebx, ebx
        double_faults "#DE, #NP", div ebx
        gate 0
        no_gate 13
        mov eax, 0x1230
        double_faults "#GP, #NP", mov ds, eax
        gate 13
        no_gate 14
        mov eax, HOLE
        double_faults "#PF, #NP", mov ebx, [rax]
        gate 14
        ret

# What is neither contributory nor a page fault gives way to the second exception.
benign:
        no_gate 6
        faults "#UD, #NP", 11, 6*8+3, ud2
        gate 6
        no_gate 3
        faults "INT3, #NP", 11, 3*8+2, int3
        gate 3
        no_gate 0x40
        faults "INT, #NP", 11, 0x40*8+2, int 0x40
        gate 0x40
        # A gate of a kind that does not exist in 64-bit mode.
        mov byte ptr [idt + 16 * 6 + 5], 0x85
        faults "#UD, #GP task gate", 13, 6*8+3, ud2
        mov byte ptr [idt + 16 * 6 + 5], 0x8e
        mov word ptr [idt + 16 * 6 + 2], KDATA
        faults "#UD, #GP gate to data", 13, KDATA+1, ud2
        mov word ptr [idt + 16 * 6 + 2], CODE_ABSENT
        faults "#UD, #NP gate to an absent segment", 11, CODE_ABSENT+1, ud2
        mov word ptr [idt + 16 * 6 + 2], 0
        faults "#UD, #GP gate to null", 13, 1, ud2
        mov word ptr [idt + 16 * 6 + 2], UCODE64
        faults "#UD, #GP gate to user code", 13, (UCODE64&~3)+1, ud2
        mov word ptr [idt + 16 * 6 + 2], KCODE
        ret

stacks:
        # The frame cannot be pushed: #PF, and again: #DF on its own stack.
        mov r12, rsp
        expect_exception "#UD on a missing stack", 8, 0, 1f, 2f, 0
        mov rsp, HOLE + 0x1000
1:      ud2
2:      mov rsp, r12
        call check_exception
        # The same with a stack that is not canonical: #SS, which is contributory, twice.
        mov r12, rsp
        expect_exception "#UD on a stack out of range", 8, 0, 1f, 2f, 0
        mov rsp, 0x800000000100
1:      ud2
2:      mov rsp, r12
        call check_exception
        # IST stacks: aligned, whatever RSP was, and SS stays.
        mov edi, 6
        mov esi, 2
        call set_ist
        handle 6, on_ist2
        mov r12, rsp
        sub rsp, 3
        ud2
        mov rsp, r12
        # Without IST the stack goes on, aligned.
        mov edi, 6
        xor esi, esi
        call set_ist
        handle 6, on_same_stack
        sub rsp, 3
        ud2
        mov rsp, r12
        handle 6, unexpected
        # An IST stack that is missing: #PF on the old one.
        mov edi, 6
        mov esi, 3
        call set_ist
        mov qword ptr [tss + 0x34], HOLE + 0x800
        faults "#PF by a missing IST stack", 14, 2, ud2
        mov rax, cr2
        cmp rax, HOLE + 0x800 - 8
        must_be_equal "CR2 of a missing IST stack"
        mov edi, 6
        xor esi, esi
        call set_ist
        ret
on_ist2:
        lea rax, [rdi + F_SS + 8]
        cmp rax, offset ist2_top
        must_be_equal "IST 2"
        cmp qword ptr [rdi + F_SS], KDATA
        must_be_equal "SS of an IST frame"
        lea rax, [r12 - 3]
        cmp [rdi + F_RSP], rax
        must_be_equal "RSP of an IST frame"
        add qword ptr [rdi + F_RIP], 2
        println "ok IST"
        ret
on_same_stack:
        lea rax, [r12 - 3]
        cmp [rdi + F_RSP], rax
        must_be_equal "RSP of a frame without IST"
        and rax, ~15
        lea rdx, [rdi + F_SS + 8]
        cmp rax, rdx
        must_be_equal "alignment of a frame"
        add qword ptr [rdi + F_RIP], 2
        println "ok alignment"
        ret

# A TSS too short for what delivery needs of it.
task_state:
        mov edi, 6
        mov esi, 7
        call set_ist
        mov word ptr [gdt + TSS], 0x40
        mov byte ptr [gdt + TSS + 5], 0x89
        mov ax, TSS
        ltr ax
        faults "#TS short TSS", 10, TSS+1, ud2
        mov word ptr [gdt + TSS], 0x67 + 129
        mov byte ptr [gdt + TSS + 5], 0x89
        ltr ax
        mov edi, 6
        xor esi, esi
        call set_ist
        ret

        .text
