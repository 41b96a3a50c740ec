# Where an external interrupt may come and where not: behind STI and MOV SS there is one instruction
# of grace, behind POPF and IRET there is none. The timer fires all the time, at every phase.
        .include "guest.inc"

        .set TIMER, PIC_BASE

main:
        handle TIMER, on_timer
        mov ax, 0xfffe
        call pic_init
        mov ax, 9                   # 754 ticks.
        call pit_periodic
        call behind_sti
        call sti_cli
        call behind_mov_ss
        call behind_popf
        call behind_iret
        call sti_hlt
        ret

# Interrupts are counted by where they came.
on_timer:
        mov rax, [rdi + F_RIP]
        cmp rax, [allowed]
        je 1f
        cmp rax, [allowed + 8]
        je 2f
        print "FAIL interrupted at "
        print_rax
        jmp failed
1:      inc dword ptr [seen]
        jmp pic_eoi
2:      inc dword ptr [seen + 4]
        jmp pic_eoi

        .set nowhere, 0
        .macro only_at first:req, second=nowhere
        mov qword ptr [allowed], offset \first
        mov qword ptr [allowed + 8], offset \second
        mov qword ptr [seen], 0
        .endm
        .macro was_seen name:req
        cmp dword ptr [seen], 20
        ja 9f
        fail "\name: too few interrupts"
9:      print "ok \name: "
        mov eax, [seen]
        print_rax
        print " "
        mov eax, [seen + 4]
        print_rax
        println ""
        .endm

behind_sti:
        only_at a2
        mov ecx, 5000
1:      cli
        nop
        nop
        sti
        nop                         # In grace.
a2:     cli
        nop
        dec ecx
        jnz 1b
        was_seen "behind STI"
        ret

sti_cli:
        only_at nowhere
        mov ecx, 2000
1:      sti
        cli
        sti
        cli
        dec ecx
        jnz 1b
        cmp qword ptr [seen], 0
        must_be_equal "STI, CLI"
        println "ok STI, CLI"
        ret

# With IF set; the timer may come anywhere but between b1 and b2.
behind_mov_ss:
        handle TIMER, anywhere_but
        mov qword ptr [seen], 0
        mov edx, ss
        mov ecx, 5000
        sti
1:      nop
        mov ss, edx
b1:     nop
b2:     dec ecx
        jnz 1b
        cli
        handle TIMER, on_timer
        was_seen "behind MOV SS"
        ret
anywhere_but:
        cmp qword ptr [rdi + F_RIP], offset b1
        je 1f
        inc dword ptr [seen]
        jmp pic_eoi
1:      fail "interrupted behind MOV SS"

behind_popf:
        only_at c1, c2
        pushfq
        pop rbx
        mov rax, rbx
        or eax, IF
        mov ecx, 5000
1:      push rbx
        push rax
        popfq                       # On.
c1:     nop
c2:     popfq                       # Off.
        nop
        dec ecx
        jnz 1b
        was_seen "behind POPF"
        ret

behind_iret:
        only_at d1, d2
        mov ecx, 5000
1:      mov rdx, rsp
        push KDATA
        push rdx
        pushfq
        or dword ptr [rsp], IF
        push KCODE
        push offset d1
        iretq
d1:     nop
d2:     cli
        dec ecx
        jnz 1b
        was_seen "behind IRET"
        ret

# Between the two nothing can come, so none is slept through.
sti_hlt:
        handle TIMER, on_wake
        mov dword ptr [seen], 0
        mov ecx, 200
1:      cli
        sti
        hlt
e1:     cli
        dec ecx
        jnz 1b
        handle TIMER, on_timer
        was_seen "STI, HLT"
        ret
on_wake:
        cmp qword ptr [rdi + F_RIP], offset e1
        must_be_equal "RIP of an interrupt that ends HLT"
        inc dword ptr [seen]
        jmp pic_eoi

        .data
        .balign 8
allowed: .quad 0, 0
seen:   .long 0, 0
        .text
