# HLT and what ends it: the timer, the clock, the serial port; how long it takes, and that an
# interrupt which is already there ends it at once.
        .include "guest.inc"

        .set TIMER, PIC_BASE
        .set SERIAL, PIC_BASE + 4
        .set CLOCK, PIC_BASE + 8

main:
        handle TIMER, on_timer
        handle CLOCK, on_clock
        handle SERIAL, on_serial
        mov ax, 0xffff
        call pic_init
        call by_timer
        call by_clock
        call by_serial
        call by_two
        call at_once
        call with_interrupts_off
        ret

on_timer:
        inc dword ptr [timers]
        jmp pic_eoi
on_clock:
        mov al, 0x0c                # Register C: which interrupt, and the acknowledgement.
        out 0x70, al
        in al, 0x71
        mov [clock_reason], al
        inc dword ptr [clocks]
        jmp pic_eoi2
on_serial:
        mov edx, 0x3fa
        in al, dx
        mov [serial_reason], al
        inc dword ptr [serials]
        jmp pic_eoi

        .macro open mask:req
        mov al, (\mask) & 0xff
        out 0x21, al
        mov al, (\mask) >> 8
        out 0xa1, al
        .endm

# EAX: microseconds since [since], within which HLT slept.
slept:  rdtsc
        sub eax, [since]
        xor edx, edx
        mov ecx, 1000
        div ecx
        ret
        .macro sleep
        rdtsc
        mov [since], eax
        sti
        hlt
        cli
        call slept
        .endm
        .macro is_about from:req, to:req, name:req
        cmp eax, \from
        jb 8f
        cmp eax, \to
        jbe 9f
8:      print "FAIL \name: microseconds: "
        print_rax
        jmp failed
9:      println "ok \name"
        .endm

by_timer:
        open 0xfffe
        mov ax, 11932               # 10 ms.
        call pit_once
        sleep
        is_about 9950, 10010, "timer once"
        cmp dword ptr [timers], 1
        must_be_equal "one shot"
        mov ax, 1193                # 1 ms.
        call pit_periodic
        sleep
        mov ebx, 20
1:      sleep
        dec ebx
        jnz 1b
        is_about 985, 1001, "timer periodic"
        cmp dword ptr [timers], 22
        must_be_equal "periodic"
        mov al, 0x30                # Stopped: waits for a count.
        out 0x43, al
        open 0xffff
        ret

by_clock:
        open 0xfefb
        mov al, 0x0b
        out 0x70, al
        mov al, 0x42                # Periodic interrupt, 24 hours, BCD.
        out 0x71, al
        mov al, 0x0a
        out 0x70, al
        mov al, 0x26                # 1024 Hz.
        out 0x71, al
        sleep
        sleep
        sleep
        is_about 960, 980, "clock at 1024 Hz"
        cmp byte ptr [clock_reason], 0xc0
        must_be_equal "reason: periodic"
        mov al, 0x0b
        out 0x70, al
        mov al, 0x12                # Update-ended interrupt.
        out 0x71, al
        sleep
        sleep
        is_about 999900, 1000100, "clock each second"
        mov al, [clock_reason]
        and al, 0x90
        cmp al, 0x90
        must_be_equal "reason: update ended"
        mov al, 0x0b
        out 0x70, al
        mov al, 0x02
        out 0x71, al
        open 0xffff
        ret

by_serial:
        open 0xffef
        mov edx, 0x3f8 + 3
        mov al, 3                   # 8 data bits, one stop bit.
        out dx, al
        mov edx, 0x3f8 + 1
        mov al, 2                   # THRE.
        out dx, al
        sti
        hlt                         # At once: it is empty.
        cli
        cmp byte ptr [serial_reason], 2
        must_be_equal "reason: transmitter empty"
        mov edx, 0x3f8
        mov al, 'x'
        out dx, al
        sleep
        is_about 86, 88, "serial port, a character at 115200"
        mov edx, 0x3f8
        mov al, 10
        out dx, al
        sleep
        mov edx, 0x3f8 + 1
        xor eax, eax
        out dx, al
        cmp dword ptr [serials], 3
        must_be_equal "serial interrupts"
        open 0xffff
        ret

# Two timers: each sleep ends with one of them.
by_two:
        mov dword ptr [timers], 0
        mov dword ptr [clocks], 0
        mov al, 0x0b
        out 0x70, al
        mov al, 0x42
        out 0x71, al
        open 0xfefa
        mov ax, 1193
        call pit_periodic
        mov ebx, 50
1:      sti
        hlt
        cli
        dec ebx
        jnz 1b
        open 0xffff
        mov al, 0x0b
        out 0x70, al
        mov al, 0x02
        out 0x71, al
        print "timer and clock: "
        mov eax, [timers]
        print_rax
        print " "
        mov eax, [clocks]
        print_rax
        println ""
        ret

# The interrupt waits already: HLT retires, and the handler comes.
at_once:
        open 0xfffe
        mov dword ptr [timers], 0
        mov ax, 8
        call pit_once
        mov ecx, 2000
1:      dec ecx
        jnz 1b
        sleep
        is_about 0, 1, "interrupt that waits"
        cmp dword ptr [timers], 1
        must_be_equal "interrupt that waits"
        # Without STI's grace it would come before the HLT, and the guest would sleep for ever.
        mov ax, 8
        call pit_once
        mov ecx, 2000
1:      dec ecx
        jnz 1b
        pushfq
        or dword ptr [rsp], IF
        popfq
        nop
        cli
        cmp dword ptr [timers], 2
        must_be_equal "interrupt behind POPF"
        println "ok interrupts that wait"
        ret

# Polling: no interrupt comes, the request can be read.
with_interrupts_off:
        mov ax, 100
        call pit_once
        xor ebx, ebx
1:      inc ebx
        mov al, 0x0a
        out 0x20, al
        in al, 0x20
        test al, 1
        jz 1b
        cmp dword ptr [timers], 2
        must_be_equal "interrupts while they are off"
        print "polls: "
        mov eax, ebx
        print_rax
        println ""
        sti
        nop
        cli
        cmp dword ptr [timers], 3
        must_be_equal "interrupt after polling"
        ret

        .data
since:  .long 0
timers: .long 0
clocks: .long 0
serials: .long 0
clock_reason: .byte 0
serial_reason: .byte 0
        .text
