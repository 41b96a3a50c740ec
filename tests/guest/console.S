# Answers each line it is sent on the serial port, by interrupts; "q" ends it. What comes in is told
# to the guest in different ways while it runs, sleeps, and has interrupts off.
        .include "guest.inc"

        .set PORT, 0x3f8

main:
        handle PIC_BASE+4, on_serial
        handle PIC_BASE, on_timer
        mov ax, 0xffee
        call pic_init
        mov ax, 5000
        call pit_periodic
        mov edx, PORT + 3
        mov al, 3
        out dx, al
        mov edx, PORT + 2
        mov al, 0x41                # FIFO, trigger at 4.
        out dx, al
        mov edx, PORT + 1
        mov al, 1                   # Received data.
        out dx, al
again:  sti
        cmp byte ptr [line_ready], 0
        jne answer
        test byte ptr [timers], 3   # Sometimes it sleeps, sometimes it looks again.
        jnz again
        hlt
        jmp again
answer: cli
        cmp byte ptr [line], 'q'
        je done
        movzx ecx, byte ptr [line_length]
        lea rsi, [line]
1:      lodsb
        call put
        loop 1b
        mov byte ptr [line_length], 0
        mov byte ptr [line_ready], 0
        mov ecx, 3000               # Interrupts stay off for a while.
2:      dec ecx
        jnz 2b
        jmp again
done:   print "timers: "
        movzx eax, byte ptr [timers]
        print_rax
        print " interrupts: "
        mov eax, [serials]
        print_rax
        println ""
        ret

# AL: byte.
put:    push rax
        mov edx, PORT + 5
3:      in al, dx
        test al, 0x20
        jz 3b
        pop rax
        mov edx, PORT
        out dx, al
        ret

on_timer:
        inc byte ptr [timers]
        jmp pic_eoi

on_serial:
        inc dword ptr [serials]
1:      mov edx, PORT + 2
        in al, dx
        test al, 1
        jnz 3f
2:      mov edx, PORT + 5
        in al, dx
        test al, 1
        jz 1b
        mov edx, PORT
        in al, dx
        movzx ecx, byte ptr [line_length]
        mov [line + rcx], al
        inc byte ptr [line_length]
        cmp al, 10
        jne 2b
        mov byte ptr [line_ready], 1
        jmp 2b
3:      jmp pic_eoi

        .data
serials: .long 0
timers: .byte 0
line_ready: .byte 0
line_length: .byte 0
line:   .fill 256, 1, 0
        .text
