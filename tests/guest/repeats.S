# Repeated string instructions and the timer: an interrupt may come between any two iterations, with
# RIP on the instruction and the registers saying how far it is; afterwards all has been moved once.
        .include "guest.inc"

        .set TIMER, PIC_BASE
        .set LENGTH, 24             # Iterations; the interrupt is made to come at each of them.

main:
        handle TIMER, on_timer
        mov ax, 0xfffe
        call pic_init
        call every_iteration
        call compares
        call backwards
        call small_counts
        call faults_midway
        ret

# RDI: frame. Keeps a bit for each count left when the interrupt came at the REP.
on_timer:
        mov rax, [rdi + F_RIP]
        cmp rax, [watched]
        jne 1f
        mov rax, [rdi + F_RCX]
        cmp rax, 511
        ja 2f
        bts [hits], rax
        mov rax, rcx
        mov rax, [rdi + F_RSI]
        add rax, [rdi + F_RCX]
        cmp rax, [end_of_source]
        jne 2f
        mov rax, [rdi + F_RDI]
        add rax, [rdi + F_RCX]
        cmp rax, [end_of_target]
        jne 2f
1:      jmp pic_eoi
2:      fail "registers of an interrupted REP"

# EBP: instructions to wait from here on, at least 4. Clobbers RBP.
        .macro delay
        shr ebp, 1
9:      dec ebp
        jnz 9b
        .endm

# A first shot wakes the guest just behind a pulse of the timer's clock, so that the second comes a
# known time later: 8 pulses, 670 ticks, give or take one. A delay that gets longer by one tick each
# time leads to the REP where that is.
every_iteration:
        mov qword ptr [watched], offset a1
        mov r12d, 8                 # Rounds, for the sake of "give or take".
0:      mov r13d, 650
1:      mov ax, 8
        call pit_once
        sti
        hlt
        cli
        mov ax, 8
        call pit_once
        lea rsi, [source]
        lea rdi, [target]
        lea rax, [source + LENGTH]
        mov [end_of_source], rax
        lea rax, [target + LENGTH]
        mov [end_of_target], rax
        mov dword ptr [target], 0
        mov dword ptr [target + LENGTH - 4], 0
        mov ecx, LENGTH
        sti
        mov ebp, r13d
        delay
        test r13d, 1
        jz a0
        nop
a0:     cld
a1:     rep movsb
        nop
        cli
        call same_bytes
        inc r13d
        cmp r13d, 686
        jne 1b
        dec r12d
        jnz 0b
        # 0 is the pass that sees the count exhausted, LENGTH is before the first iteration.
        xor ecx, ecx
2:      bt [hits], rcx
        jc 3f
        print "FAIL never interrupted with this left: "
        mov eax, ecx
        print_rax
        jmp failed
3:      inc ecx
        cmp ecx, LENGTH
        jbe 2b
        println "ok every iteration of REP MOVSB"
        ret
same_bytes:
        lea rsi, [source]
        lea rdi, [target]
        mov ecx, LENGTH
        repe cmpsb
        must_be_equal "bytes moved by an interrupted REP"
        ret

# Comparisons end at the first difference, however often they are interrupted.
compares:
        mov qword ptr [watched], 0
        mov ax, 8
        call pit_periodic
        sti
        mov ebx, 4
1:      lea rdi, [zeros]
        mov ecx, 8192
        xor eax, eax
        repe scasb
        cmp ecx, 8192 - 4001
        must_be_equal "count left by REPE SCASB"
        lea rdi, [zeros]
        mov ecx, 8192
        mov al, 1
        repne scasb
        cmp ecx, 8192 - 4001
        must_be_equal "count left by REPNE SCASB"
        lea rdi, [zeros]
        lea rsi, [zeros + 4096]
        mov ecx, 8192
        repe cmpsd
        cmp ecx, 8192 - 1001
        must_be_equal "count left by REPE CMPSD"
        dec ebx
        jnz 1b
        cli
        println "ok comparisons"
        ret

# Overlapping, with the direction flag set, and by doubles and quads.
backwards:
        sti
        mov ebx, 10
1:      lea rdi, [zeros + 2000]
        mov ecx, 500
        mov eax, ebx
        cld
        rep stosd
        std
        lea rsi, [zeros + 4000 - 8]
        lea rdi, [zeros + 4000]
        mov ecx, 200
        rep movsq
        cld
        lea rsi, [zeros + 2400]
        lea rdi, [zeros + 2000]
        mov ecx, 900
        rep movsw
        lea rdi, [zeros + 2000]
        mov ecx, 500
        xor eax, eax
        rep stosd
        mov byte ptr [zeros + 4000], 1
        dec ebx
        jnz 1b
        cli
        mov dword ptr [zeros + 4004], 0
        println "ok backwards"
        ret

# Counts of 0, 1 and 2, many times, so that the timer finds each in every state.
small_counts:
        sti
        mov ebx, 3000
        lea r8, [source]
        lea r9, [target]
        xor edx, edx
1:      mov rsi, r8
        mov rdi, r9
        xor ecx, ecx
        rep movsb
        mov ecx, 1
        rep movsb
        mov ecx, 2
        rep movsb
        sub rdi, r9
        add rdx, rdi
        dec ebx
        jnz 1b
        cli
        cmp edx, 9000
        must_be_equal "bytes moved by small counts"
        println "ok small counts"
        ret

# A page fault midway: what was moved stays moved, and RCX says so.
faults_midway:
        cli
        mov rax, cr3
        mov rax, [rax]
        and eax, ~0xfff
        mov qword ptr [rax + 8], 0
        mov rax, cr3
        mov cr3, rax
        lea rsi, [source]
        mov edi, 0x40000000 - 5
        mov ecx, 20
        faults "#PF midway", 14, 2, rep movsb
        cmp ecx, 15
        must_be_equal "count left by a fault midway"
        mov eax, 0x40000000 - 20
        lea rsi, [rax]
        lea rdi, [target]
        mov ecx, 6
        faults "#PF of the source midway", 14, 0, rep movsd
        cmp ecx, 1
        must_be_equal "count left by a fault of the source"
        ret

        .data
        .balign 16
watched: .quad 0
end_of_source: .quad 0
end_of_target: .quad 0
hits:   .fill 64, 1, 0
source: .ascii "0123456789abcdefghijklmn"
target: .fill LENGTH, 1, 0
zeros:  .fill 4000, 1, 0
        .byte 1
        .fill 8191, 1, 0
        .text
