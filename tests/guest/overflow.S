# INTO of 32-bit code: the one software interrupt that does not end its block. Its gate is open to user
# code in one part and closed in the other. And BOUND, which is a fault of such code.
        .include "guest.inc"
        .include "user.inc"

main:
        call user_init
        handle 4, on_overflow
        handle 13, on_closed
        or byte ptr [idt + 4 * 16 + 5], 0x60
        call overflow
        println "ok INTO"
        and byte ptr [idt + 4 * 16 + 5], ~0x60
        call overflow
        println "ok INTO by a closed gate"
        handle 5, on_bound
        call bounds
        println "ok BOUND"
        ret

# ECX counts what runs around the INTO, EAX the ticks between two RDTSCs.
overflow:
        to_user32
        xor ecx, ecx
        into                        # There is no overflow yet.
        inc ecx
        rdtsc
        mov esi, eax
        mov eax, 0x7fffffff
        inc eax
into_at: into
        rdtsc
        sub eax, esi
        inc ecx
        inc ecx
        int 0x80
        .code64
        cmp ecx, 3
        must_be_equal "what is behind INTO ran once"
        sub eax, [handler_ticks]
        cmp eax, 10 * 5             # RDTSC, MOV, MOV, INC, INTO.
        must_be_equal "ticks around INTO"
        ret

# What a handler takes, without the instructions here that are not in both: PUSH twice, JMP, the common
# part, CALL, and RET.
        .set COMMON_TICKS, 3 + 19 + 17 + 1
on_overflow:
        cmp qword ptr [rdi + F_RIP], offset into_at + 1
        must_be_equal "RIP of INTO"
        mov dword ptr [handler_ticks], 10 * (COMMON_TICKS + 3)
        ret
on_closed:
        cmp qword ptr [rdi + F_RIP], offset into_at
        must_be_equal "RIP of INTO by a closed gate"
        cmp qword ptr [rdi + F_ERROR], 4 * 8 + 2
        must_be_equal "error code of a closed gate"
        inc qword ptr [rdi + F_RIP]
        mov dword ptr [handler_ticks], 10 * (COMMON_TICKS + 5)
        ret

bounds:
        to_user32
        xor ecx, ecx
        mov eax, 3
        bound eax, [limits]
        inc ecx
        mov eax, 4
bound_at: bound eax, [limits]
bound_end: inc ecx
        int 0x80
        .code64
        cmp ecx, 12
        must_be_equal "BOUND raised #BR once"
        ret

on_bound:
        cmp qword ptr [rdi + F_RIP], offset bound_at
        must_be_equal "RIP of BOUND"
        add qword ptr [rdi + F_RIP], bound_end - bound_at
        add qword ptr [rdi + F_RCX], 10
        ret

        .data
        .balign 8
limits: .long -2, 3
handler_ticks: .long 0
        .text
