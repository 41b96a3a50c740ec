# x87 and SSE state: that it is saved, restored and counted like any other, that exceptions find their
# instruction, and that the sums are what any two hosts must agree on.
        .include "guest.inc"

main:
        fninit
        call sums
        call lazy
        call pending
        call single_steps
        call state
        ret

# The harmonic series in three precisions, and square roots.
sums:   fldz
        mov ecx, 1000
1:      mov [number], ecx
        fld1
        fidiv dword ptr [number]
        faddp st(1), st(0)
        dec ecx
        jnz 1b
        fst qword ptr [number]
        mov rax, [number]
        print "x87 sum of 1/n: "
        print_rax
        println ""
        fsqrt
        fstp tbyte ptr [number]
        mov rax, [number]
        print "its root: "
        print_rax
        println ""
        xorpd xmm0, xmm0
        mov ecx, 1000
        mov eax, 1
        cvtsi2sd xmm3, eax
1:      cvtsi2sd xmm1, ecx
        movapd xmm2, xmm3
        divsd xmm2, xmm1
        addsd xmm0, xmm2
        dec ecx
        jnz 1b
        movq rax, xmm0
        print "SSE2 sum of 1/n: "
        print_rax
        println ""
        sqrtsd xmm0, xmm0
        cvtsd2ss xmm0, xmm0
        movd eax, xmm0
        print "its root: "
        print_rax
        println ""
        fldpi
        fsin
        fstp qword ptr [number]
        mov rax, [number]
        btr rax, 63
        shr rax, 52
        cmp eax, 1023 - 50          # Nearly nothing.
        jb 1f
        fail "sine of pi"
1:      ret

# CR0.TS makes the first use fault, as an operating system wants it that switches lazily.
lazy:   handle 7, clear_ts
        mov ecx, 20
1:      fld1
        fild dword ptr [number]
        fxsave [area]
        mov rax, cr0
        or eax, 8
        mov cr0, rax
        fld1                        # #NM, and again.
        fxrstor [area]
        fstp st(0)
        fstp st(0)
        dec ecx
        jnz 1b
        cmp dword ptr [steps], 20
        must_be_equal "lazy switches"
        handle 7, unexpected
        println "ok lazy switches"
        ret
clear_ts:
        clts
        inc dword ptr [steps]
        ret

# An unmasked exception waits for an FWAIT (any x87 instruction, on real CPUs).
pending:
        push 0x37b
        fldcw [rsp]
        fldz
        fld1
        fdiv st(0), st(1)
        nop
        faults "#MF", 16, 0, fwait
        fnstsw ax
        test eax, 4
        jnz 1f
        fail "zero divide in the status word"
1:      fnclex
        fninit
        add rsp, 8
        ret

single_steps:
        handle 1, count_step
        mov dword ptr [steps], 0
        fldz
        pushfq
        or dword ptr [rsp], TF
        popfq
        fld1
        fadd st(1), st(0)
        faddp st(1), st(0)
        sqrtss xmm4, xmm5
        pushfq
        and dword ptr [rsp], ~TF
        popfq
        nop
        cmp dword ptr [steps], 7
        must_be_equal "steps over x87 and SSE"
        fistp dword ptr [number]
        cmp dword ptr [number], 2
        must_be_equal "stepped sum"
        handle 1, unexpected
        println "ok single steps"
        ret
count_step:
        inc dword ptr [steps]
        ret

# Everything the two units hold goes through memory and comes back.
state:  push 0x1f81
        ldmxcsr [rsp]
        add rsp, 8
        mov ecx, 8
1:      mov [number], ecx
        fild dword ptr [number]
        dec ecx
        jnz 1b
        pcmpeqd xmm7, xmm7
        pcmpeqd xmm15, xmm15
        psrlq xmm15, 3
        fxsave [area]
        fninit
        pxor xmm7, xmm7
        pxor xmm15, xmm15
        fxrstor [area]
        fxsave [area + 512]
        lea rsi, [area + 24]        # Behind the last instruction's address, which is not restored.
        lea rdi, [area + 512 + 24]
        mov ecx, (416 - 24) / 8
        repe cmpsq
        must_be_equal "state through memory"
        println "ok state"
        ret

        .data
        .balign 16
number: .quad 0, 0
steps:  .quad 0, 0
area:   .fill 1024, 1, 0
        .text
