# Halted with interrupts off: nothing can ever wake it, and the machine says so.
        .include "guest.inc"

main:
        println "going to sleep for ever"
        mov ecx, 2000               # The line above leaves first.
1:      dec ecx
        jnz 1b
        cli
        hlt
        fail "woke up"
