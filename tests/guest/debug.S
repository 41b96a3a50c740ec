# Single steps and execution breakpoints: where #DB comes, with which DR6, and what it does not
# disturb. The handler keeps a trail of the RIPs it was called at.
        .include "guest.inc"

        .set DR7_L0, 1
        .set DR7_L1, 4
        .set DR7_G0, 2
        .set DR7_IO0, 2 << 16       # DR0 is an I/O breakpoint of one byte.
        .set BS, 1 << 14

# Sets TF from the next instruction on; flags are otherwise kept. End with `untrace`.
        .macro trace
        mov qword ptr [trail_end], offset trail
        pushfq
        or dword ptr [rsp], TF
        popfq
        .endm
        .macro untrace
        pushfq
        and dword ptr [rsp], ~TF
        popfq
        nop
        .endm

# The trail must be these addresses, and nothing else.
        .macro trail_is name:req, rips:vararg
        call check_trail
        .quad 9f - 8f
8:      .quad \rips
9:      .asciz "\name"
        .endm

main:
        handle 1, on_debug
        call steps
        call steps_over_repeats
        call steps_and_shadows
        call steps_and_interrupts
        call breakpoints
        call breakpoints_and_steps
        call io_breakpoints
        ret

# RDI: frame. Goes on with RF set, so that a breakpoint is passed.
on_debug:
        mov rax, [trail_end]
        mov rcx, [rdi + F_RIP]
        mov [rax], rcx
        add rax, 8
        mov [trail_end], rax
        mov rax, dr6
        mov [last_dr6], rax
        mov rax, 0xffff0ff0
        mov dr6, rax
        or qword ptr [rdi + F_RFLAGS], RF
        ret

check_trail:
        pushfq
        push rax
        push rcx
        push rsi
        push rdi
        mov rsi, [rsp + 40]
        lodsq
        mov rcx, rax
        lea rdi, [trail]
        add rax, rdi
        cmp rax, [trail_end]
        jne 1f
        cld
        repe cmpsb
        jne 1f
        mov al, 'o'
        out 0xe9, al
        mov al, 'k'
        out 0xe9, al
        mov al, ' '
        out 0xe9, al
        call print_string
        mov [rsp + 40], rsi
        println ""
        mov qword ptr [trail_end], offset trail
        pop rdi
        pop rsi
        pop rcx
        pop rax
        popfq
        ret
1:      print "FAIL trail before "
        mov rax, [rsp + 40]
        print_rax
        lea rsi, [trail]
2:      cmp rsi, [trail_end]
        je failed
        print " "
        lodsq
        print_rax
        jmp 2b

steps:
        trace
        nop
a1:     mov eax, 5
a2:     push rax
a3:     pop rcx
a4:     cmp eax, ecx
a5:     je a6
        ud2
a6:     call a8
a7:     jmp a9
a8:     ret
a9:     cpuid
a10:    in al, 0x80
a11:    lea rsp, [rsp]
a12:    untrace
        trail_is "step over plain code", a1, a2, a3, a4, a5, a6, a8, a7, a9, a10, a11, a12, a12 + 1, a12 + 8, a12 + 9
        cmp dword ptr [last_dr6], 0xffff0ff0 | BS
        must_be_equal "DR6 of a single step"
        # The pushed image shows TF; the handler itself is not stepped.
        trace
        pushfq
b1:     untrace
        pop rax
        test eax, TF
        jnz 1f
        fail "TF in the image of PUSHF"
1:      trail_is "step over PUSHF", b1, b1 + 1, b1 + 8, b1 + 9
        ret

steps_over_repeats:
        cld
        lea rsi, [text]
        lea rdi, [room]
        mov ecx, 3
        trace
        rep movsb
c1:     untrace
        trail_is "step over REP MOVSB of 3", c1 - 2, c1 - 2, c1, c1 + 1, c1 + 8, c1 + 9
        mov ecx, 1
        trace
        rep movsb
c2:     untrace
        trail_is "step over REP MOVSB of 1", c2, c2 + 1, c2 + 8, c2 + 9
        mov ecx, 0
        trace
        rep movsb
c3:     untrace
        trail_is "step over REP MOVSB of 0", c3, c3 + 1, c3 + 8, c3 + 9
        lea rdi, [text]
        mov al, 'c'
        mov ecx, 100
        trace
        repne scasb
c4:     untrace
        trail_is "step over REPNE SCASB", c4 - 2, c4 - 2, c4, c4 + 1, c4 + 8, c4 + 9
        cmp ecx, 97
        must_be_equal "count left by a stepped REPNE SCASB"
        mov ecx, 3
        trace
1:      loop 1b
c5:     untrace
        trail_is "step over LOOP to itself", c5 - 2, c5 - 2, c5, c5 + 1, c5 + 8, c5 + 9
        ret

# No #DB behind a MOV SS, but behind the instruction after it.
steps_and_shadows:
        mov edx, ss
        trace
        mov ss, edx
d1:     nop
d2:     sti
d3:     cli
d4:     untrace
        trail_is "step over MOV SS and STI", d2, d3, d4, d4 + 1, d4 + 8, d4 + 9
        ret

# Delivery clears TF; IRET brings it back for the instruction behind it.
steps_and_interrupts:
        mov edi, 0x80
        lea rsi, [only_iret]
        call set_gate
        handle 6, skip_ud2
        trace
        int 0x80
e1:     nop
e2:     ud2
e3:     nop
e4:     untrace
        trail_is "step over INT and a fault", e2, e4, e4 + 1, e4 + 8, e4 + 9
        handle 6, unexpected
        ret
only_iret:
        iretq
skip_ud2:
        add qword ptr [rdi + F_RIP], 2
        ret

# RAX, EDX: address and DR7.
break_at:
        mov dr0, rax
        mov eax, edx
        mov dr7, rax
        ret

breakpoints:
        lea rax, [f2]
        mov edx, DR7_L0
        call break_at
        mov ecx, 3
        nop
f1:     nop
f2:     nop
        dec ecx
        jnz f1
        trail_is "breakpoint in a loop", f2, f2, f2
        cmp dword ptr [last_dr6], 0xffff0ff1
        must_be_equal "DR6 of a breakpoint"
        xor edx, edx
        lea rax, [f3]
        call break_at
f3:     nop
        cmp qword ptr [trail_end], offset trail
        must_be_equal "trail of a disabled breakpoint"
        mov edx, DR7_G0
        lea rax, [f4]
        call break_at
        lea rax, [f5]
        mov dr1, rax
        mov eax, DR7_G0 | DR7_L1
        mov dr7, rax
f4:     nop
        nop
f5:     nop
        trail_is "two breakpoints", f4, f5
        # Before a fault of the same instruction, and not again when it is run again.
        handle 6, skip_ud2
        lea rax, [f6]
        mov edx, DR7_L0
        call break_at
f6:     ud2
        trail_is "breakpoint at a fault", f6
        handle 6, unexpected
        # At a REP, before its first iteration and, without RF, before each that follows.
        lea rax, [f7]
        call break_at
        lea rsi, [text]
        lea rdi, [room]
        mov ecx, 2
f7:     rep movsb
        trail_is "breakpoint at a REP", f7
        # Under a shadow.
        lea rax, [f8]
        call break_at
        sti
f8:     nop
        cli
        trail_is "breakpoint behind STI", f8
        xor edx, edx
        call break_at
        ret

breakpoints_and_steps:
        lea rax, [g2]
        mov edx, DR7_L0
        call break_at
        trace
        nop
g1:     nop
g2:     nop                         # Stepped to, and, with RF clear in the image, broken at.
g3:     untrace
        trail_is "step to a breakpoint", g1, g2, g3, g3 + 1, g3 + 8, g3 + 9
        xor edx, edx
        call break_at
        ret

io_breakpoints:
        mov rax, cr4
        or eax, 8                   # DE
        mov cr4, rax
        mov eax, 0x80
        mov edx, DR7_L0 | DR7_IO0
        call break_at
        nop
        out 0x80, al
h1:     nop
        in al, 0x81
        in al, 0x80
h2:     nop
        trail_is "I/O breakpoints", h1, h2
        xor edx, edx
        call break_at
        ret

        .data
        .balign 8
trail_end: .quad trail
last_dr6: .quad 0
text:   .ascii "abcdefgh"
room:   .fill 16, 1, 0
trail:  .fill 64, 8, 0
        .text
