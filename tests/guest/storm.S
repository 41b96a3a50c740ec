# A handler that faults on its own first instruction, for ever: nothing retires, but each delivery is
# a tick, so a run still ends where it is told to.
        .include "guest.inc"

main:
        println "the storm begins"
        mov ecx, 2000               # The line above leaves first.
1:      dec ecx
        jnz 1b
        mov edi, 6
        mov esi, 1
        call set_ist                # The same stack again and again.
        mov edi, 6
        lea rsi, [storm]
        call set_gate
storm:  ud2
