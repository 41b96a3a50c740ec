# Prints for ever, one byte after some thousand instructions. Each depends on everything it was ever
# sent and on the time, so one that is lost, doubled or late shows. For the simulator.
        .include "guest.inc"

main:   mov rbx, 0x9e3779b97f4a7c15
again:  mov ecx, 500
1:      imul rbx, rbx, 0x5851f42d
        add rbx, rcx
        ror rbx, 7
        dec ecx
        jnz 1b
        add_typed 2f
        rdtsc
        xor rbx, rax
2:      put_rbx
        jmp again
