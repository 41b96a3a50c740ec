# Prints for ever, one byte after some thousand instructions, what has come of everything that a
# machine gets wrong easily: how long a REP takes, code that changes, where interrupts come, what was
# sent, and the time. For the simulator, which plants such bugs.
        .include "guest.inc"

        .set TIMER, PIC_BASE
        .set LENGTH, 150            # Iterations of the REP.
        .set PULSES, 31             # Of the timer's clock between interrupts: some 2'600 ticks.

main:   handle TIMER, on_timer
        handle 1, on_breakpoint
        lea rax, [stepped]
        mov dr0, rax
        mov ax, 0xfffe
        call pic_init
        mov ax, PULSES
        call pit_periodic
        mov rbx, 0x9e3779b97f4a7c15
        sti
again:  mov r12d, 12
1:      cld
        lea rsi, [idt]
        lea rdi, [target]
        mov ecx, LENGTH
        rep movsb
        mov [changing + 1], ebx
changing:
        mov eax, 0
        add rbx, rax
        rdtsc
        xor rbx, rax
        add rbx, [mixed]
        ror rbx, 7
        dec r12d
        jnz 1b
        test bl, 7
        jnz 2f
        mov eax, 1                  # Behind a breakpoint a REP is made step by step.
        mov dr7, rax
        lea rsi, [idt]
        lea rdi, [target]
        mov ecx, 3
stepped:
        rep movsb
        xor eax, eax
        mov dr7, rax
2:
        add_typed 3f
3:      put_rbx
        jmp again

# RDI: frame. Goes on with the instruction.
on_breakpoint:
        or qword ptr [rdi + F_RFLAGS], RF
        ret

# RDI: frame. Where the interrupt came, and how far a REP was.
on_timer:
        mov rax, [rdi + F_RIP]
        add rax, [rdi + F_RCX]
        rol qword ptr [mixed], 5
        xor [mixed], rax
        jmp pic_eoi

        .data
        .balign 8
mixed:  .quad 0
target: .fill LENGTH, 1, 0
