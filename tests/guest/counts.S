# How many ticks each kind of instruction takes, against numbers found by hand from the rule
# (docs/architecture.md): one for each retired instruction, iteration of a REP and its final pass
# that sees the count exhausted; one for each fault delivered; none for traps. The time stamp counter
# runs at ten to the tick, so a guest can count.
        .include "guest.inc"

        .macro count name:req, expected:req, insns=""
        start_ticks
        \insns
        read_ticks
        cmp eax, \expected
        je 9f
        print "FAIL \name: "
        print_rax
        println ""
        mov byte ptr [failures], 1
        jmp 8f
9:      println "ok \name"
8:
        .endm

main:
        call straight_lines
        call strings
        call compares
        call exceptions
        call single_steps
        call shadows
        call calls
        call long_blocks
        cmp byte ptr [failures], 0
        jne failed
        ret

straight_lines:
        count "nothing", 0, ""
        count "NOP", 1, "nop"
        count "prefixes", 2, "rep nop; lock inc qword ptr [scratch]"
        count "memory to memory", 2, "push [scratch]; pop [scratch]"
        count "CPUID", 2, "xor eax, eax; cpuid"
        count "PAUSE", 2, "pause; pause"
        count "fences", 3, "mfence; lfence; sfence"
        count "taken jump", 1, "jmp 1f; nop; 1:"
        mov ecx, 10
        count "LOOP", 10, "1: loop 1b"
        mov ecx, 10
        count "DEC and JNZ", 20, "1: dec ecx; jnz 1b"
        count "IN and OUT", 2, "in al, 0x80; out 0x80, al"
        count "RDTSC", 3, "rdtsc; rdtsc; rdtsc"
        mov ecx, 0x10
        count "RDMSR of the TSC", 1, "rdmsr"
        mov ecx, 0xc0000100
        count "RDMSR and WRMSR of FS", 2, "rdmsr; wrmsr"
        count "MOV CR3", 2, "mov rax, cr3; mov cr3, rax"
        count "INVLPG", 1, "invlpg [scratch]"
        count "x87 and SSE", 4, "fld1; fstp st(0); pxor xmm0, xmm0; movaps xmm1, xmm0"
        count "FXSAVE", 2, "fxsave [area]; fxrstor [area]"
        count "LGDT, LIDT, SGDT", 3, "lgdt [gdt_pointer]; lidt [idt_pointer]; sgdt [scratch]"
        count "MOV DS", 2, "mov eax, KDATA; mov ds, eax"
        count "CLI, STI", 2, "cli; sti"
        cli
        ret

        .macro rep_case name:req, rcx:req, expected:req, insn:req
        lea rsi, [area]
        lea rdi, [area + 512]
        mov rcx, \rcx
        count "\name", \expected, "\insn"
        .endm

strings:
        cld
        rep_case "REP MOVSB, 0", 0, 1, "rep movsb"
        rep_case "REP MOVSB, 1", 1, 2, "rep movsb"
        rep_case "REP MOVSB, 2", 2, 3, "rep movsb"
        rep_case "REP MOVSQ, 60", 60, 61, "rep movsq"
        rep_case "REP STOSD, 0", 0, 1, "rep stosd"
        rep_case "REP STOSD, 7", 7, 8, "rep stosd"
        rep_case "REP LODSB, 5", 5, 6, "rep lodsb"
        rep_case "REP MOVSB by ECX, 3 of 2^32 + 3", 0x100000003, 4, "rep movs byte ptr [edi], byte ptr [esi]"
        rep_case "MOV, REP OUTSB, 3", 3, 5, "mov edx, 0x80; rep outsb"
        ret

        .macro scan_case name:req, rcx:req, expected:req, insn:req
        lea rdi, [pattern]
        lea rsi, [pattern + 8]
        mov eax, 5
        mov rcx, \rcx
        count "\name", \expected, "mov eax, 5; \insn" 
        .endm

compares:                          # pattern: 1 2 3 4 5 6 7 8, 1 2 3 4 5 6 9 8
        scan_case "REPNE SCASB, found fifth", 100, 6, "repne scasb"
        scan_case "REPNE SCASB, found last", 5, 6, "repne scasb"
        scan_case "REPNE SCASB, not found", 4, 6, "repne scasb"
        scan_case "REPNE SCASB, 0", 0, 2, "repne scasb"
        scan_case "REPE SCASB, first differs", 9, 2, "repe scasb"
        scan_case "REPE CMPSB, seventh differs", 8, 8, "repe cmpsb"
        scan_case "REPE CMPSB, all equal", 6, 8, "repe cmpsb"
        scan_case "REPE CMPSB, 1 equal", 1, 3, "repe cmpsb"
        scan_case "REPE CMPSB, last differs", 7, 8, "repe cmpsb"
        ret

# Handlers of one instruction each, so that the numbers are easy.
bare_iret:
        iretq
skip_two:
        add qword ptr [rsp], 2
        iretq
skip_two_error:
        add rsp, 8
        add qword ptr [rsp], 2
        iretq

exceptions:
        mov edi, 3
        lea rsi, [bare_iret]
        call set_gate
        mov edi, 0x80
        lea rsi, [bare_iret]
        call set_gate
        mov edi, 6
        lea rsi, [skip_two]
        call set_gate
        mov edi, 13
        lea rsi, [skip_two_error]
        call set_gate
        mov edi, 14
        lea rsi, [skip_two_error]
        call set_gate
        count "INT3 and IRET", 2, "int3"
        count "INT 80h and IRET", 2, "int 0x80"
        count "UD2: tick, ADD, IRET", 3, "ud2"
        count "UD2 in mid-block", 5, "nop; ud2; nop"
        # Two bytes each: mov rax, [rcx] would be three.
        mov rcx, 0x1000000000000
        count "#GP: tick, ADD, ADD, IRET", 4, "mov eax, [rcx]"
        count "#GP in mid-block", 7, "nop; nop; mov eax, [rcx]; nop"
        ret

# After POPF with TF set every instruction traps behind itself; a trap has no tick of its own, its
# IRET has one.
single_steps:
        mov edi, 1
        lea rsi, [bare_iret]
        call set_gate
        pushfq
        pop rbx
        mov r12, rbx
        or r12, TF
        count "TF over NOP: 3 traps behind POPF", 9, "push r12; popfq; nop; push rbx; popfq; nop"
        lea rsi, [area]
        lea rdi, [area + 512]
        mov ecx, 3
        # Each iteration traps; there is no final pass.
        count "TF over REP MOVSB", 12, "push r12; popfq; rep movsb; push rbx; popfq"
        mov ecx, 0
        count "TF over REP MOVSB, 0", 8, "push r12; popfq; rep movsb; push rbx; popfq"
        ret

# The shadow of STI or MOV SS lasts for all of a REP, which then has no final pass: a property of the
# library that the engine keeps.
shadows:
        lea rsi, [area]
        lea rdi, [area + 512]
        mov ecx, 1
        count "STI, REP MOVSB of 1", 2, "sti; rep movsb"
        cli
        lea rsi, [area]
        lea rdi, [area + 512]
        mov ecx, 2
        count "STI, REP MOVSB of 2", 3, "sti; rep movsb"
        cli
        mov ecx, 0
        count "STI, REP MOVSB of 0", 2, "sti; rep movsb"
        cli
        mov ecx, 1
        mov edx, ss
        count "MOV SS, REP MOVSB of 1", 2, "mov ss, edx; rep movsb"
        ret

calls:
        count "CALL and RET", 2, "call just_ret"
        lea rbx, [just_ret]
        count "indirect CALL and RET", 2, "call rbx"
        count "far RET", 4, "push KCODE; push offset 1f; lretq; 1: nop"
        lea rbx, [1f]
        mov r12, rsp
        count "IRETQ", 6, "push KDATA; push r12; pushfq; push KCODE; push rbx; iretq; 1:"
        ret
just_ret:
        ret

# Blocks are at most 512 instructions long, and need not end at a page.
long_blocks:
        count "1500 NOPs", 1500, ".fill 1500, 1, 0x90"
        count "9000 NOPs over pages", 9000, ".fill 9000, 1, 0x90"
        mov ecx, 3
        count "1000 NOPs in a loop", 3006, "1: .fill 1000, 1, 0x90; dec ecx; jnz 1b"
        ret

        .data
failures: .byte 0
        .balign 16
scratch: .quad 0, 0
pattern: .byte 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 9, 8
        .balign 16
area:   .fill 1024, 1, 7
        .text
