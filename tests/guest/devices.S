# The devices as a guest finds them, through real port accesses: what their unit tests cannot see is
# that the ports are wired, that access sizes are right, and that time passes.
        .include "guest.inc"

main:
        mov ax, 0xffff
        call pic_init
        call timer_counts
        call speaker_gate
        call clock_time
        call memory_size
        call serial_loop
        call controller_order
        call taken_back
        call nobody
        ret

        .macro cmos index:req
        mov al, \index
        out 0x70, al
        in al, 0x71
        .endm

# EAX: channel 0, latched.
timer_latch:
        xor eax, eax
        out 0x43, al
        in al, 0x40
        mov ah, al
        in al, 0x40
        xchg al, ah
        ret
timer_counts:
        mov ax, 60000
        call pit_periodic
        mov ecx, 200
1:      dec ecx
        jnz 1b
        call timer_latch
        mov ebx, eax
        mov ecx, 4190               # Two ticks each: 100 pulses.
1:      dec ecx
        jnz 1b
        call timer_latch
        sub ebx, eax
        cmp ebx, 100
        jb 1f
        cmp ebx, 102
        jbe 2f
1:      fail "pulses in 8380 ticks"
2:      mov al, 0xe2                # Read back the status of channel 0.
        out 0x43, al
        in al, 0x40
        and al, 0x3f
        cmp al, 0x34
        must_be_equal "status of channel 0"
        println "ok timer counts"
        ret

speaker_gate:
        in al, 0x61
        and al, 0xfc
        out 0x61, al                # Gate of channel 2 off.
        mov al, 0xb0
        out 0x43, al
        mov al, 200
        out 0x42, al
        xor eax, eax
        out 0x42, al
        in al, 0x61
        or al, 1
        out 0x61, al
        xor ecx, ecx
1:      inc ecx
        in al, 0x61
        test al, 0x20
        jz 1b
        print "polls of the speaker: "
        mov eax, ecx
        print_rax
        println ""
        cmp ecx, 3000
        jb 1f
        cmp ecx, 6000
        jb 2f
1:      fail "speaker channel"
2:      println "ok speaker channel"
        ret

clock_time:
        cmos 0x32
        cmp al, 0x20
        must_be_equal "century"
        cmos 9
        cmp al, 0x00
        must_be_equal "year"
        cmos 8
        cmp al, 1
        must_be_equal "month"
        cmos 7
        cmp al, 1
        must_be_equal "day"
        cmos 4
        cmp al, 0
        must_be_equal "hour"
        cmos 0x0d
        cmp al, 0x80
        must_be_equal "battery"
        println "ok clock"
        ret

memory_size:                        # 64 MiB: 48 MiB above 16 MiB, in units of 64 KiB.
        cmos 0x35
        mov ah, al
        push rax
        cmos 0x34
        pop rcx
        mov ah, ch
        movzx eax, ax
        cmp eax, 768
        must_be_equal "memory size in CMOS"
        println "ok memory size"
        ret

serial_loop:
        mov edx, 0x3f8 + 7
        mov al, 0x5a
        out dx, al
        in al, dx
        cmp al, 0x5a
        must_be_equal "scratch register"
        mov edx, 0x3f8 + 4
        mov al, 0x1f                # Loopback.
        out dx, al
        mov edx, 0x3f8 + 2
        mov al, 7                   # FIFO on, cleared.
        out dx, al
        mov ecx, 5
1:      mov edx, 0x3f8
        lea eax, [rcx + 'a']
        out dx, al
        dec ecx
        jnz 1b
        mov ebx, 5
2:      mov edx, 0x3f8 + 5
        in al, dx
        test al, 1
        jz 2b
        mov edx, 0x3f8
        in al, dx
        lea ecx, [rbx + 'a']
        cmp al, cl
        must_be_equal "byte of the loop"
        dec ebx
        jnz 2b
        mov edx, 0x3f8 + 6
        in al, dx
        and al, 0xf0
        cmp al, 0xf0
        must_be_equal "modem lines of the loop"
        mov edx, 0x3f8 + 4
        mov al, 0x0b
        out dx, al
        lea rsi, [greeting]
        mov ecx, offset greeting_end - greeting
        mov edx, 0x3f8
        rep outsb
        println "ok serial loop"
        ret

# Two requests at once: the lower line first; the other waits for the end of the first.
controller_order:
        mov byte ptr [order_length], 0
        handle PIC_BASE, order_timer
        handle PIC_BASE+4, order_serial
        mov edx, 0x3f8 + 1
        mov al, 2
        out dx, al
        mov ax, 8
        call pit_once
        mov ecx, 1000
1:      dec ecx
        jnz 1b
        mov al, 0x0a
        out 0x20, al
        in al, 0x20
        cmp al, 0x11
        must_be_equal "requests of two lines"
        mov al, 0xee
        out 0x21, al
        mov ecx, 1000               # An access is felt 600 ticks later.
1:      dec ecx
        jnz 1b
        sti
        mov ecx, 1000
1:      dec ecx
        jnz 1b
        cli
        mov al, 0xff
        out 0x21, al
        mov edx, 0x3f8 + 1
        xor eax, eax
        out dx, al
        cmp word ptr [order], 0x0400
        must_be_equal "order of two lines"
        println "ok order of lines"
        ret
order_timer:
        xor eax, eax
        jmp note_order
order_serial:
        mov edx, 0x3fa
        in al, dx
        mov al, 4
note_order:
        movzx ecx, byte ptr [order_length]
        mov [order + rcx], al
        inc byte ptr [order_length]
        jmp pic_eoi

# The request is gone before interrupts are on again: there is none.
taken_back:
        handle PIC_BASE+4, unexpected
        handle PIC_BASE+7, unexpected
        mov edx, 0x3f8 + 1
        mov al, 2
        out dx, al
        mov al, 0xef
        out 0x21, al
        mov ecx, 700
1:      dec ecx
        jnz 1b
        xor eax, eax
        out dx, al
        mov ecx, 700
1:      dec ecx
        jnz 1b
        sti
        nop
        nop
        cli
        mov al, 0xff
        out 0x21, al
        println "ok request taken back"
        ret

nobody:
        mov edx, 0x1234
        in eax, dx
        cmp eax, -1
        must_be_equal "port of nobody"
        in al, dx
        cmp al, 0xff
        must_be_equal "byte port of nobody"
        out dx, eax
        in al, 0xe9
        cmp al, 0xe9
        must_be_equal "debug console"
        println "ok ports of nobody"
        ret

        .data
greeting: .ascii "serial port says hello\r\n"
greeting_end:
        .balign 4
order:  .byte 0xff, 0xff, 0xff, 0xff
order_length: .byte 0
        .text
