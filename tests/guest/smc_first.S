# A REP whose first iteration overwrites the block that leads to it: the one kind of self-modifying
# code that the portable engine miscounts (portable_cpu.h). A test runs it on the other one.
        .include "guest.inc"

main:
        lea rsi, [itself]
        lea rdi, [room]
        mov ecx, offset itself_end - itself
        cld
        rep movsb
        lea rdi, [room]
        mov eax, 0x90
        mov ecx, offset itself_tail - itself
        lea rbx, [room]
        start_ticks
        mov eax, 0x90
        call rbx
        read_ticks
        # MOV, CALL, NOP; two iterations, of which the second takes the prefix away; NOP, STOSB, two
        # NOPs, RET.
        cmp eax, 10
        jne 1f
        println "ok"
        ret
1:      print "FAIL ticks: "
        print_rax
        jmp failed
itself: nop
        rep stosb
        nop
        nop
itself_tail:
        ret
itself_end:

        .data
        .balign 64
room:   .fill 64, 1, 0
        .text
