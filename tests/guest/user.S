# What user code may not do, what it is told, and the ways in and out of the kernel.
        .include "guest.inc"
        .include "user.inc"

        .set SECRET, 0x600000       # 2 MiB, for the kernel only.
        .set NOEXEC, 0x800000       # 2 MiB, not executable.
        .set EFER, 0xc0000080
        .set STAR, 0xc0000081
        .set LSTAR, 0xc0000082
        .set CSTAR, 0xc0000083
        .set FMASK, 0xc0000084

main:
        call user_init
        call privileged
        call ports
        call pages
        call interrupts
        call flags
        call syscalls
        call compatibility
        ret

privileged:
        user_faults "#GP HLT", 13, 0, hlt
        user_faults "#GP CLI", 13, 0, cli
        user_faults "#GP STI", 13, 0, sti
        user_faults "#GP MOV to CR", 13, 0, mov cr3, rax
        user_faults "#GP MOV from CR", 13, 0, mov rax, cr0
        user_faults "#GP MOV to DR", 13, 0, mov dr7, rax
        user_faults "#GP CLTS", 13, 0, clts
        user_faults "#GP LGDT", 13, 0, lgdt [gdt_pointer]
        user_faults "#GP LIDT", 13, 0, lidt [idt_pointer]
        user_faults "#GP LTR", 13, 0, ltr ax
        user_faults "#GP LLDT", 13, 0, lldt ax
        user_faults "#GP LMSW", 13, 0, lmsw ax
        user_faults "#GP INVLPG", 13, 0, invlpg [rax]
        user_faults "#GP WBINVD", 13, 0, wbinvd
        user_faults "#GP RDMSR", 13, 0, rdmsr
        mov ecx, 0x10
        user_faults "#GP RDMSR of the TSC", 13, 0, rdmsr
        user_faults "#GP WRMSR", 13, 0, wrmsr
        user_faults "#GP SWAPGS", 13, 0, swapgs
        user_faults "#UD SYSRET not enabled", 6, 0, sysretq
        user_faults "#UD SYSENTER", 6, 0, sysenter
        mov eax, KDATA
        user_faults "#GP MOV DS of the kernel's", 13, KDATA, mov ds, eax
        ret

ports:
        mov edx, 0x80
        lea rsi, [scratch]
        lea rdi, [scratch]
        mov ecx, 2
        user_faults "#GP IN imm8", 13, 0, in al, 0x80
        user_faults "#GP IN DX", 13, 0, in eax, dx
        user_faults "#GP OUT imm8", 13, 0, out 0x80, ax
        user_faults "#GP OUT DX", 13, 0, out dx, al
        user_faults "#GP INSB", 13, 0, insb
        user_faults "#GP OUTSB", 13, 0, outsb
        user_faults "#GP REP OUTSB", 13, 0, rep outsb
        nop
        user_faults "#GP IN behind other instructions", 13, 0, in al, 0x60
        user
        nop
        xor ecx, ecx
        rep outsb                   # Nothing to do, nothing to refuse.
        end_user
        mov byte ptr [tss_bitmap + 0x80 / 8], 0xfe
        user
        in al, 0x80
        mov ebx, 5
        out 0x80, al
        add ebx, 6
        end_user
        cmp ebx, 11
        must_be_equal "port opened by the map"
        # The rule of counting holds there, too: three iterations and a final pass, one and one.
        user
        mov edx, 0x80
        lea rsi, [scratch]
        mov ecx, 3
        start_ticks
        mov edx, 0x80
        rep outsb
        read_ticks
        mov ebx, eax
        mov ecx, 1
        start_ticks
        mov edx, 0x80
        rep outsb
        read_ticks
        end_user
        cmp ebx, 5
        must_be_equal "ticks of MOV, REP OUTSB of 3"
        cmp eax, 3
        must_be_equal "ticks of MOV, REP OUTSB of 1"
        user_faults "#GP word, half of it open", 13, 0, in ax, 0x80
        mov byte ptr [tss_bitmap + 0x80 / 8], 0xff
        user_faults "#GP closed again", 13, 0, in al, 0x80
        mov edx, 0x500
        user_faults "#GP beyond the map", 13, 0, in al, dx
        # IOPL 3 opens all.
        pushfq
        or dword ptr [rsp], 3 << 12
        popfq
        user
        in al, 0x80
        cli
        sti
        cli
        mov ebx, 12
        end_user
        pushfq
        and dword ptr [rsp], ~(3 << 12)
        popfq
        cmp ebx, 12
        must_be_equal "port by IOPL"
        println "ok ports"
        ret

pages:
        mov eax, SECRET
        mov byte ptr [rax], 0xc3
        call supervisor_only
        mov eax, SECRET + 8
        user_faults "#PF read of the kernel's", 14, 5, mov rbx, [rax]
        user_faults "#PF write to the kernel's", 14, 7, mov [rax], rbx
        cmp qword ptr [SECRET + 8], 0
        must_be_equal "memory behind a refused write"
        expect_exception "#PF call of the kernel's", 14, 5, SECRET, 1f, RF
        user
        mov eax, SECRET
        call rax
1:      end_user
        call check_exception
        # With EFER.NXE fetches say so, and pages can refuse them.
        mov ecx, EFER
        rdmsr
        or eax, 0x800
        wrmsr
        mov rdx, cr3
        mov rdx, [rdx]
        and edx, ~0xfff
        mov rdx, [rdx]
        and edx, ~0xfff
        bts qword ptr [rdx + 8 * (NOEXEC >> 21)], 63
        mov eax, NOEXEC
        invlpg [rax]
        expect_exception "#PF call of the kernel's, NXE", 14, 0x15, SECRET, 1f, RF
        user
        mov eax, SECRET
        call rax
1:      end_user
        call check_exception
        expect_exception "#PF call of data, user", 14, 0x15, NOEXEC, 1f, RF
        user
        mov eax, NOEXEC
        call rax
1:      end_user
        call check_exception
        expect_exception "#PF call of data, kernel", 14, 0x11, NOEXEC, 1f, RF
        mov eax, NOEXEC
        call rax
1:      add rsp, 8
        call check_exception
        # CR0.WP decides whether the kernel may write to a read-only page.
        mov rdx, cr3
        mov rdx, [rdx]
        and edx, ~0xfff
        mov rdx, [rdx]
        and edx, ~0xfff
        btr qword ptr [rdx + 8 * (NOEXEC >> 21)], 1
        mov eax, NOEXEC
        invlpg [rax]
        mov qword ptr [rax], 1
        mov rbx, cr0
        bts rbx, 16
        mov cr0, rbx
        faults "#PF write protected", 14, 3, mov qword ptr [rax], 2
        user_faults "#PF write protected, user", 14, 7, mov qword ptr [rax], 3
        btr rbx, 16
        mov cr0, rbx
        cmp qword ptr [rax], 1
        must_be_equal "write protection"
        ret

interrupts:
        user_faults "#GP INT of the kernel's", 13, 0x81*8+2, int 0x81
        user_faults "#GP INT 1", 13, 1*8+2, int 1
        handle 3, skip_nothing
        user
        int3
        mov ebx, 3
        end_user
        cmp ebx, 3
        must_be_equal "INT3 from user code"
        handle 3, unexpected
        # Entered from user code, the kernel has its stack, and a null SS.
        handle 6, look_around
        user
        ud2
        end_user
        mov ax, KDATA
        mov ss, ax
        println "ok entry from user code"
        # An exception while the frame is pushed: the kernel's own stack is not there.
        mov qword ptr [tss + 4], 0x60000000
        mov rax, cr3
        mov rax, [rax]
        and eax, ~0xfff
        mov qword ptr [rax + 8], 0  # The second GiB goes.
        mov rax, cr3
        mov cr3, rax
        mov edi, 8
        mov esi, 1
        call set_ist
        handle 8, on_double_fault
        user
        ud2
        end_user
        mov edi, 8
        xor esi, esi
        call set_ist
        println "ok double fault by a missing stack"
        ret
skip_nothing:
        ret
look_around:
        mov eax, ss
        test eax, eax
        must_be_equal "SS in the kernel"
        lea rax, [rdi + F_SS + 8]
        cmp rax, offset kernel_stack_top
        must_be_equal "RSP0"
        cmp qword ptr [rdi + F_SS], UDATA
        must_be_equal "SS in the frame"
        cmp qword ptr [rdi + F_RSP], offset user_stack_top
        must_be_equal "RSP in the frame"
        cmp qword ptr [rdi + F_CS], UCODE64
        must_be_equal "CS in the frame"
        add qword ptr [rdi + F_RIP], 2
        ret
on_double_fault:
        cmp qword ptr [rdi + F_ERROR], 0
        must_be_equal "error code of #DF"
        mov rax, cr2
        cmp rax, 0x60000000 - 8
        must_be_equal "CR2 of a frame that cannot be pushed"
        lea rax, [rdi + F_SS + 8]
        cmp rax, offset ist1_top
        must_be_equal "IST 1"
        mov qword ptr [tss + 4], offset kernel_stack_top
        add qword ptr [rdi + F_RIP], 2
        ret

# POPF cannot touch IF and IOPL there.
flags:
        pushfq
        pop rbx
        user
        pushfq
        xor dword ptr [rsp], IF | (3 << 12) | 0x8d5
        popfq
        pushfq
        pop rax
        end_user
        xor rbx, 0x8d5
        cmp rax, rbx
        must_be_equal "flags of POPF in user code"
        println "ok POPF"
        ret

# ECX: MSR, RAX: value. Clobbers RDX.
set_msr:
        mov rdx, rax
        shr rdx, 32
        wrmsr
        ret

syscalls:
        user_faults "#UD SYSCALL not enabled", 6, 0, syscall
        mov ecx, EFER
        rdmsr
        or eax, 1
        wrmsr
        mov ecx, STAR
        mov rax, (0x18 << 48) | (KCODE << 32)
        call set_msr
        mov ecx, LSTAR
        lea rax, [on_syscall]
        call set_msr
        mov ecx, CSTAR
        lea rax, [on_syscall32]
        call set_msr
        mov ecx, FMASK
        mov eax, IF | TF | 0x400 | 1
        call set_msr
        user
        mov ebp, 7
        stc
        syscall
s1:     mov ebx, 8
        end_user
        cmp ebp, 0x1234
        must_be_equal "SYSCALL was there"
        cmp qword ptr [call_rcx], offset s1
        must_be_equal "RCX of SYSCALL"
        mov rax, [call_r11]
        test eax, 1
        jnz 1f
        fail "R11 of SYSCALL"
1:      cmp qword ptr [call_ss], KDATA
        must_be_equal "SS of SYSCALL"
        cmp qword ptr [call_cs], KCODE
        must_be_equal "CS of SYSCALL"
        test dword ptr [call_flags], 1
        must_be_equal "flags masked by SYSCALL"
        test dword ptr [user_flags], 1
        jnz 1f
        fail "flags restored by SYSRET"
1:      cmp qword ptr [user_cs], UCODE64
        must_be_equal "CS of SYSRET"
        # Prefixes make it longer.
        user
        .byte 0x48, 0x0f, 0x05
s2:     nop
        end_user
        cmp qword ptr [call_rcx], offset s2
        must_be_equal "RCX of a prefixed SYSCALL"
        println "ok SYSCALL"
        user_faults "#GP SYSRET", 13, 0, sysretq
        ret

on_syscall:
        mov [call_rcx], rcx
        mov [call_r11], r11
        mov eax, ss
        mov [call_ss], rax
        mov eax, cs
        mov [call_cs], rax
        pushfq
        pop [call_flags]
        mov ebp, 0x1234
        sysretq
on_syscall32:
        mov [call_rcx], rcx
        mov ebp, 0x4321
        .byte 0x0f, 0x07             # SYSRET to 32-bit code.

# 32-bit user code, entered by IRET and by SYSRET, left by INT 80h.
compatibility:
        to_user32
        mov ecx, 1000
        xor eax, eax
1:      add eax, ecx
        loop 1b
        push eax
        pop edx
        inc eax
        dec eax
        int 0x80
        .code64
        cmp rax, 500500
        must_be_equal "sum of 32-bit code"
        cmp edx, 500500
        must_be_equal "stack of 32-bit code"
        cmp qword ptr [user_cs], UCODE32
        must_be_equal "CS of 32-bit code"
        println "ok INT 80h of 32-bit code"
        # A fault there, and SYSCALL, which on this CPU goes to CSTAR.
        handle 0, on_divide
        to_user32
        xor edx, edx
        xor ebx, ebx
        mov eax, 1
        div ebx
        syscall
2:      int 0x80
        .code64
        cmp ebp, 0x4321
        must_be_equal "SYSCALL of 32-bit code"
        cmp qword ptr [call_rcx], offset 2b
        must_be_equal "RCX of a 32-bit SYSCALL"
        handle 0, unexpected
        println "ok SYSCALL of 32-bit code"
        ret
on_divide:
        cmp qword ptr [rdi + F_CS], UCODE32
        must_be_equal "CS of a 32-bit fault"
        add qword ptr [rdi + F_RIP], 2
        ret

        .data
        .balign 8
scratch: .quad 0
call_rcx: .quad 0
call_r11: .quad 0
call_ss: .quad 0
call_cs: .quad 0
call_flags: .quad 0
        .text
