# Every exception that 64-bit kernel code can raise here (emulator/README.md says what is not modelled), with its error code, the pushed RIP and RF, and
# CR2 of page faults.
        .include "guest.inc"

        .set HOLE, 0x40000000       # Not mapped, once main has unmapped it.

main:
        call unmap_hole
        call divide
        call opcodes
        call segments
        call page_faults
        call floating_point
        call software
        ret

divide:
        xor edx, edx
        mov eax, 1
        xor ebx, ebx
        faults "#DE by zero", 0, 0, div ebx
        mov edx, 1
        mov ebx, 1
        faults "#DE overflow", 0, 0, div ebx
        mov rax, 0x8000000000000000
        cqo
        mov rbx, -1
        faults "#DE signed overflow", 0, 0, idiv rbx
        ret

opcodes:
        faults "#UD UD2", 6, 0, ud2
        faults "#UD no such opcode", 6, 0, .byte 0x0f, 0xff, 0xc0
        faults "#UD in 64-bit mode", 6, 0, .byte 0x06, 0x90
        faults "#UD LOCK without memory", 6, 0, .byte 0xf0, 0x01, 0xc0
        faults "#UD INTO", 6, 0, .byte 0xce, 0x90
        mov rax, cr0
        or eax, 8                   # TS
        mov cr0, rax
        faults "#NM by TS", 7, 0, fld1
        faults "#NM by TS, SSE", 7, 0, movaps xmm0, xmm1
        clts
        mov rax, cr0
        or eax, 4                   # EM
        mov cr0, rax
        faults "#NM by EM", 7, 0, fld1
        faults "#UD by EM, SSE", 6, 0, movaps xmm0, xmm1
        mov rax, cr0
        and eax, ~4
        mov cr0, rax
        ret

segments:
        mov eax, ABSENT
        faults "#NP DS", 11, ABSENT, mov ds, eax
        faults "#SS SS not present", 12, ABSENT, mov ss, eax
        mov eax, 0x1230
        faults "#GP beyond the GDT", 13, 0x1230, mov ds, eax
        mov eax, UDATA
        faults "#GP SS of other privilege", 13, UDATA&~3, mov ss, eax
        mov eax, KDATA
        faults "#GP TR is no TSS", 13, KDATA, ltr ax
        push CODE_ABSENT
        push offset 1f
        faults "#NP far return", 11, CODE_ABSENT, lretq
1:      add rsp, 16
        push 0
        push offset 1f
        faults "#GP far return to null", 13, 0, lretq
1:      add rsp, 16
        mov rax, 0x1000000000000
        faults "#GP not canonical", 13, 0, mov rbx, [rax]
        ret

page_faults:
        mov eax, HOLE
        faults "#PF read", 14, 0, mov rbx, [rax + 0x123]
        call check_cr2
        mov eax, HOLE
        faults "#PF write", 14, 2, mov [rax + 0x123], rbx
        call check_cr2
        # Calling there faults at the target; the return address was pushed.
        mov eax, HOLE + 0x123
        expect_exception "#PF fetch", 14, 0, HOLE + 0x123, 1f, RF
        call rax
1:      add rsp, 8
        call check_exception
        call check_cr2
        # Both sides of a page boundary: the first missing byte is reported.
        mov eax, HOLE - 4
        faults "#PF across a boundary", 14, 2, mov [rax], rbx
        mov rax, cr2
        cmp rax, HOLE
        must_be_equal "cr2 of an access across a boundary"
        ret
check_cr2:
        mov rax, cr2
        cmp rax, HOLE + 0x123
        must_be_equal "cr2"
        ret

floating_point:
        fninit
        push 0x37b                  # Division by zero unmasked.
        fldcw [rsp]
        add rsp, 8
        fldz
        fld1
        fdiv st(0), st(1)
        faults "#MF", 16, 0, fwait
        fnclex
        fninit
        ret

software:
        traps "#BP INT3", 3, int3
        traps "INT 3", 3, int 3
        traps "INT 80h", 0x80, int 0x80
        traps "INT 14 pushes no error code", 0x33, int 0x33
        mov word ptr [idt_pointer], 0x40 * 16 - 1
        lidt [idt_pointer]
        faults "#GP beyond the IDT", 13, 0x40*8+2, int 0x40
        mov word ptr [idt_pointer], 256 * 16 - 1
        lidt [idt_pointer]
        ret

# Takes the second GiB away.
unmap_hole:
        mov rax, cr3
        mov rax, [rax]
        and eax, ~0xfff
        mov qword ptr [rax + 8], 0
        mov rax, cr3
        mov cr3, rax
        ret
