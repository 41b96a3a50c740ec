# Prints for ever, one byte after some thousand instructions. Each depends on everything it was ever
# sent and on the time, so one that is lost, doubled or late shows. For the simulator.
        .include "guest.inc"

        .set PORT, 0x3f8

main:   mov rbx, 0x9e3779b97f4a7c15
again:  mov ecx, 500
1:      imul rbx, rbx, 0x5851f42d
        add rbx, rcx
        ror rbx, 7
        dec ecx
        jnz 1b
        mov edx, PORT + 5
        in al, dx
        test al, 1                  # Something was sent.
        jz 2f
        mov edx, PORT
        in al, dx
        movzx eax, al
        add rbx, rax
        rdtsc
        xor rbx, rax
2:      mov edx, PORT + 5
        in al, dx
        test al, 0x20
        jz 2b
        mov edx, PORT
        mov eax, ebx
        and al, 0x3f
        add al, 0x30
        out dx, al
        jmp again
