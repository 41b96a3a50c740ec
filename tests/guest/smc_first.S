# A REP whose first iteration overwrites the block that leads to it: the kind of self-modifying code that
# is easiest to miscount, because the REP goes on in a block of its own in any case.
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
        # Over and over, with what is there already.
        mov r12d, 4
2:      lea rdi, [again]
        mov ecx, 1
        start_ticks
        mov eax, 0x90
        call again
        read_ticks
        cmp eax, 6                  # MOV, CALL, NOP, an iteration and the pass behind it, RET.
        jne 1f
        dec r12d
        jnz 2b
        println "ok again"
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
again:  nop
        rep stosb
        ret
        .text
