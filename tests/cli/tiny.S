# A guest of a few hundred bytes in the form of a Linux bzImage, for tests of the program that need
# a machine and not an operating system: it is ready after some thousand instructions. The first
# letter of its kernel command line says what it does:
#
#   e  echoes what is typed (asleep in between)     l  prints a numbered line at each timer tick
#   p  turns the machine off                        x  ends by the debug exit port, value 5
#   h  halts with interrupts off                    t  prints the time of day, then echoes
#   f  prints numbered lines as fast as it can   d  writes "ready" to both debug ports too, then
#                                                     echoes, also there
#
# In e, l, t, f and d a typed "q" turns the machine off and a typed "h" halts it for good. First of all
# it prints "ready".
#
# Source: Linux Documentation/arch/x86/boot.rst (header, 64-bit entry at 200h of the loaded part);
# emulator/boot/linux_loader.h. GNU as; build: as --64, ld -N -Ttext 0xfffc00 --oformat binary, so
# that the loaded part is linked for 16 MiB, where the loader puts it.

        .intel_syntax noprefix
        .code64

        .set IDT, 0x1010000         # Within init_size, behind the image.
        .set IDT_POINTER, 0x1011000
        .set CODE_SELECTOR, 0x10
        .set COM1, 0x3f8

        .text
        .global _start
_start:
        .org 0x1f1
        .byte 1                     # setup_sects: the loaded part begins at 400h.
        .org 0x1f4
        .long (image_end - _start - 0x400) / 16     # syssize
        .org 0x201
        .byte 0x66                  # The header ends at 268h.
        .ascii "HdrS"
        .word 0x020f
        .org 0x22c
        .long 0x7fffffff            # initrd_addr_max
        .org 0x236
        .word 1                     # XLF_KERNEL_64
        .long 0x7ff                 # cmdline_size
        .org 0x260
        .long 0x100000              # init_size

        .org 0x600
entry:
        mov ebx, [rsi + 0x228]      # cmd_line_ptr of the zero page.
        mov bl, [rbx]
        call interrupts_on
        lea rsi, [rip + ready]
        call print
        cmp bl, 'e'
        je echo
        cmp bl, 'l'
        je lines
        cmp bl, 'f'
        je flood
        cmp bl, 't'
        je time_of_day
        cmp bl, 'd'
        je debug
        cmp bl, 'p'
        je power_off
        cmp bl, 'x'
        jne halt
        mov dx, 0x501
        mov al, 5
        out dx, al
halt:   cli
        hlt
        jmp halt

debug:  lea rsi, [rip + ready]
        mov ecx, 6
        mov edx, 0x402
1:      lodsb
        out 0xe9, al
        out dx, al
        loop 1b
        jmp echo

power_off:
        mov dx, 0x604
        mov ax, 0x2000
        out dx, ax
        jmp halt

# --- what it does for ever

echo:   call answer
        cli
        mov dx, COM1 + 5
        in al, dx
        test al, 1
        jnz echo
        sti                         # Takes effect behind the next instruction: no wake is lost.
        hlt
        jmp echo

lines:  mov al, 0x34                # PIT channel 0, rate generator.
        out 0x43, al
        mov ax, 11932               # 100 Hz.
        out 0x40, al
        mov al, ah
        out 0x40, al
        mov al, 0xee                # IRQ 0 and 4.
        out 0x21, al
        xor r12d, r12d
1:      sti
        hlt
        cli
        mov eax, [rip + ticks]
        cmp eax, r12d
        je 2f
        inc r12d
        call line
2:      call answer
        jmp 1b

flood:  xor r12d, r12d
1:      inc r12d
        call line
        call answer
        jmp 1b

time_of_day:
        mov ah, 0x32                # Century, year, month, day, hour, minute in BCD.
        call rtc
        mov ah, 9
        call rtc
        mov ah, 8
        call rtc
        mov ah, 7
        call rtc
        mov ah, 4
        call rtc
        mov ah, 2
        call rtc
        mov al, '\n'
        call put
        jmp echo

# --- parts

# Prints the CMOS register AH, two BCD digits.
rtc:    mov al, ah
        out 0x70, al
        in al, 0x71
        mov ah, al
        shr al, 4
        add al, '0'
        call put
        mov al, ah
        and al, 15
        add al, '0'
        jmp put

# Does what the typed characters ask for.
answer: mov dx, COM1 + 5
        in al, dx
        test al, 1
        jnz 1f
        ret
1:      mov dx, COM1
        in al, dx
        cmp al, 'q'
        je power_off
        cmp al, 'h'
        je halt
        cmp bl, 'l'
        je answer
        cmp bl, 'f'
        je answer
        cmp bl, 'd'
        jne 2f
        out 0xe9, al
2:      call put
        jmp answer

# Prints "line N" with N from r12d, eight hexadecimal digits.
line:   lea rsi, [rip + line_text]
        call print
        mov r13d, r12d
        mov r14d, 8
1:      rol r13d, 4
        mov al, r13b
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe 2f
        add al, 'a' - '0' - 10
2:      call put
        dec r14d
        jnz 1b
        mov al, '\n'
        jmp put

print:  lodsb
        test al, al
        jnz 1f
        ret
1:      call put
        jmp print

# Prints AL; keeps AX.
put:    push rax
        mov dx, COM1 + 5
1:      in al, dx
        test al, 0x20
        jz 1b
        mov dx, COM1
        mov al, [rsp]
        out dx, al
        pop rax
        ret

# IRQ 0 (left masked) and IRQ 4 at vectors 20h and 24h; the UART's receive interrupt.
interrupts_on:
        mov edi, IDT
        xor eax, eax
        mov ecx, 0x30 * 2
        rep stosq
        lea rax, [rip + on_tick]
        mov edi, IDT + 0x20 * 16
        call gate
        lea rax, [rip + on_uart]
        mov edi, IDT + 0x24 * 16
        call gate
        mov edi, IDT_POINTER
        mov word ptr [rdi], 0x30 * 16 - 1
        mov qword ptr [rdi + 2], IDT
        lidt [rdi]
        mov al, 0x11
        out 0x20, al
        mov al, 0x20
        out 0x21, al
        mov al, 4
        out 0x21, al
        mov al, 1
        out 0x21, al
        mov al, 0xef                # IRQ 4 alone.
        out 0x21, al
        mov al, 0xff
        out 0xa1, al
        mov dx, COM1 + 1
        mov al, 1
        out dx, al
        mov dx, COM1 + 4
        mov al, 8                   # OUT2 lets the interrupt through.
        out dx, al
        ret

# An interrupt gate at RDI to RAX, which lies below 4 GiB.
gate:   mov [rdi], ax
        mov word ptr [rdi + 2], CODE_SELECTOR
        mov word ptr [rdi + 4], 0x8e00
        shr eax, 16
        mov [rdi + 6], ax
        ret

on_tick:
        inc dword ptr [rip + ticks]
on_uart:
        push rax
        mov al, 0x20
        out 0x20, al
        pop rax
        iretq

ticks:      .long 0
ready:      .asciz "ready\n"
line_text:  .asciz "line "

        .balign 16
image_end:
