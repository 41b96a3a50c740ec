# Code that changes: by stores of every kind, through another mapping, under its own feet, by moving
# pages, by frames that an interrupt pushes on it. Stale translations give wrong sums; blocks that are
# given up half way would give wrong counts, which the test of the ways compares.
        .include "guest.inc"
        .include "pages.inc"

        .set CODE, WINDOW           # Frame 0 is also page 8 of the window: an alias.
        .set ALIAS, WINDOW + 4096 * 8

main:
        call window_init
        show 8, 0
        call same_page
        call by_alias
        call every_store
        call under_way
        call under_repeats
        call loop_that_changes
        call page_reuse
        call frames_on_code
        call returns_on_code
        call across_pages
        call other_address_space
        ret

# At CODE: mov eax, imm32; ret. RBX: the immediate.
        .macro place_constant at:req
        mov byte ptr [\at], 0xb8
        mov dword ptr [\at + 1], 0
        mov byte ptr [\at + 5], 0xc3
        .endm
        .macro runs_as value:req, name:req
        call rbx
        cmp eax, \value
        must_be_equal "\name"
        .endm

same_page:
        place_constant CODE
        lea rbx, [CODE]
        mov ecx, 50
1:      mov [CODE + 1], ecx
        runs_as ecx, "store to the same page"
        dec ecx
        jnz 1b
        println "ok same page"
        ret

by_alias:
        place_constant CODE
        lea rbx, [CODE]
        runs_as 0, "before the alias"
        mov ecx, 50
1:      mov [ALIAS + 1], ecx
        runs_as ecx, "store to the alias"
        mov [FRAMES + 1], ebx       # The identity map is a third way.
        runs_as ebx, "store to the frame"
        dec ecx
        jnz 1b
        println "ok alias"
        ret

        .macro store_case name:req, value:req, insns:req
        mov dword ptr [CODE + 1], 0
        runs_as 0, "before \name"
        mov eax, \value
        mov edx, \value
        \insns
        runs_as \value, "\name"
        .endm

every_store:
        place_constant CODE
        lea rbx, [CODE]
        lea rdi, [CODE + 1]
        lea r8, [ALIAS + 1]
        mov ecx, 3
again:  store_case "MOV byte", 0x11, "mov byte ptr [rdi], 0x11"
        store_case "MOV word", 0x2211, "mov word ptr [rdi], 0x2211"
        store_case "ADD", 0x300, "add dword ptr [rdi], 0x300"
        store_case "LOCK XADD", 0x301, "lock xadd [rdi], eax"
        store_case "XCHG", 0x302, "xchg [rdi], eax"
        store_case "LOCK OR", 0x303, "lock or [r8], eax"
        store_case "LOCK INC", 1, "lock inc dword ptr [r8]"
        store_case "CMPXCHG", 0x304, "xor eax, eax; lock cmpxchg [rdi], edx"
        store_case "BTS", 0x10, "bts dword ptr [rdi], 4"
        store_case "MOVD", 0x305, "movd xmm0, eax; movd [rdi], xmm0"
        store_case "MOVNTI", 0x306, "movnti [r8], eax"
        store_case "FISTP", 0x307, "push rax; fild dword ptr [rsp]; fistp dword ptr [rdi]; pop rax"
        store_case "SETC", 1, "stc; setc [rdi]"
        store_case "PUSH", 0x308, "push rax; pop [saved]; mov r12, rsp; lea rsp, [CODE + 9]; mov rax, [CODE + 5]; shl rax, 32; or rax, [saved]; push rax; mov rsp, r12"
        store_case "STOSD", 0x309, "push rdi; stosd; pop rdi"
        store_case "MOVSD", 0x30a, "push rdi; mov [saved], eax; lea rsi, [saved]; movsd; pop rdi"
        dec ecx
        jnz again
        # Stores of 16 bytes and more, which cover all of the code.
        mov dword ptr [CODE + 1], 0x401
        movups xmm1, [CODE]
        mov dword ptr [CODE + 1], 0
        runs_as 0, "before MOVUPS"
        movups [CODE], xmm1
        runs_as 0x401, "MOVUPS"
        mov dword ptr [CODE + 1], 0
        runs_as 0, "before MOVAPS"
        movaps [ALIAS], xmm1
        runs_as 0x401, "MOVAPS to the alias"
        lea rax, [CODE]
        mov eax, 0
        mov edx, 0
        mov r9, rbx
        mov ebx, 0x402b8
        mov ecx, 0xc300
        mov rax, [CODE]
        mov rdx, [CODE + 8]
        lock cmpxchg16b [CODE]
        mov rbx, r9
        runs_as 0x402, "CMPXCHG16B"
        fxsave [saved]
        mov qword ptr [saved + 160], 0x403b8           # XMM0.
        mov word ptr [saved + 164], 0
        mov byte ptr [saved + 165], 0xc3
        fxrstor [saved]
        lea rbx, [CODE + 160]
        fxsave [CODE]
        runs_as 0x403, "FXSAVE"
        mov byte ptr [saved + 161], 4
        fxrstor [saved]
        fxsave [ALIAS]
        runs_as 0x404, "FXSAVE to the alias"
        println "ok every store"
        ret

# The store changes what comes next in its own block.
under_way:
        place patch, patch_end, CODE
        mov ecx, 20
1:      mov edx, ecx
        lea rbx, [CODE]
        call rbx
        cmp eax, ecx
        must_be_equal "change under way"
        lea rbx, [CODE + (patch_alias - patch)]
        mov edx, ecx
        add edx, 100
        call rbx
        sub eax, 100
        cmp eax, ecx
        must_be_equal "change under way by the alias"
        dec ecx
        jnz 1b
        println "ok under way"
        ret
patch:  nop
        nop
        mov [CODE + (patched + 1 - patch)], edx
patched: mov eax, 0
        ret
patch_alias:
        nop
        mov [ALIAS + (patched_alias + 1 - patch)], edx
        nop
patched_alias: mov eax, 0
        ret
patch_end:

# A REP whose iterations change the code behind it, and itself.
under_repeats:
        place repeats, repeats_end, CODE
        mov ecx, 10
1:      push rcx
        mov [saved], ecx
        lea rsi, [saved]
        lea rdi, [CODE + (behind + 1 - repeats)]
        mov ecx, 4
        lea rbx, [CODE]
        call rbx
        pop rcx
        cmp eax, ecx
        must_be_equal "REP MOVSB over the next instruction"
        dec ecx
        jnz 1b
        # From the byte before the REP to the RET, all NOPs.
        place itself, itself_end, CODE
        lea rdi, [CODE]
        mov eax, 0x90
        mov ecx, offset itself_tail - itself
        lea rbx, [CODE + 1]
        call rbx
        cmp eax, 0x90
        must_be_equal "REP STOSB over itself"
        # It stopped itself once the second of its two bytes was gone.
        print "left of the count: "
        mov eax, ecx
        print_rax
        println ""
        println "ok REP"
        ret
repeats:
        nop
        rep movsb
behind: mov eax, 0
        ret
repeats_end:
itself: nop
        rep stosb
        nop
        nop
itself_tail:
        ret
itself_end:

# The body is another one each time, and longer than the store is far away.
loop_that_changes:
        place changing, changing_end, CODE
        lea rbx, [CODE]
        mov ecx, 32
        xor eax, eax
        call rbx
        cmp eax, 32 * 33 / 2
        must_be_equal "sum of a loop that changes"
        println "ok loop that changes"
        ret
changing:
        mov byte ptr [CODE + (amount + 2 - changing)], cl
        nop
        nop
amount: add eax, 0x7f
        dec ecx
        jnz changing
        ret
changing_end:

# Another program at the same address each time, by copying and by moving frames.
page_reuse:
        mov ecx, 40
1:      push rcx
        mov byte ptr [FRAMES + 4096 * 16], 0xb8
        mov [FRAMES + 4096 * 16 + 1], ecx
        mov byte ptr [FRAMES + 4096 * 16 + 5], 0xc3
        lea rsi, [FRAMES + 4096 * 16]
        lea rdi, [CODE]
        mov ecx, 512
        rep movsq
        pop rcx
        lea rbx, [CODE]
        runs_as ecx, "page copied over code"
        dec ecx
        jnz 1b
        mov ecx, 40
2:      place_constant (FRAMES + 4096 * 17)
        place_constant (FRAMES + 4096 * 18)
        mov [FRAMES + 4096 * 17 + 1], ecx
        not ecx
        mov [FRAMES + 4096 * 18 + 1], ecx
        not ecx
        lea rbx, [WINDOW + 4096 * 9]
        show 9, 17
        runs_as ecx, "frame moved in"
        show 9, 18
        not ecx
        runs_as ecx, "other frame moved in"
        not ecx
        hide 9
        dec ecx
        jnz 2b
        println "ok page reuse"
        ret

# An exception's frame lands on code that has run.
frames_on_code:
        mov edi, 6
        lea rsi, [bare_skip]
        call set_gate
        lea rbx, [CODE + 72]
        mov ecx, 10
1:      place_constant (CODE + 72)
        mov [CODE + 73], ecx
        runs_as ecx, "code under a frame"
        mov r12, rsp
        mov rsp, CODE + 96          # SS, RSP, and then RFLAGS at CODE + 72.
        ud2
        mov rsp, r12
        mov edx, [CODE + 72]
        and edx, RF
        cmp edx, RF
        must_be_equal "RFLAGS on code"
        mov byte ptr [CODE + 72], 0xb8
        mov byte ptr [CODE + 77], 0xc3
        call rbx
        shl eax, 8
        and eax, RF
        cmp eax, RF
        must_be_equal "code made of RFLAGS"
        dec ecx
        jnz 1b
        println "ok frames on code"
        ret
bare_skip:
        add qword ptr [rsp], 2
        iretq

# CALL pushes on the page it leaves and on the one it goes to.
returns_on_code:
        place_constant CODE
        mov ecx, 10
1:      mov [CODE + 1], ecx
        lea rbx, [CODE]
        mov r12, rsp
        lea rsp, [CODE + 0x40]
        call rbx
        mov rsp, r12
        cmp eax, ecx
        must_be_equal "stack beside code"
        dec ecx
        jnz 1b
        println "ok stack on a code page"
        ret

# A store over the edge of a page without code to one with.
across_pages:
        place_constant (WINDOW + 4096)
        lea rbx, [WINDOW + 4096]
        mov ecx, 10
1:      mov eax, ecx
        shl rax, 40
        mov edx, 0xb800
        or rax, rdx
        shl rax, 8
        mov rdx, 0xb80000
        mov qword ptr [WINDOW + 4096 - 2], 0
        mov byte ptr [WINDOW + 4096], 0xb8
        mov byte ptr [WINDOW + 4096 + 5], 0xc3
        runs_as 0, "before a store over an edge"
        mov eax, ecx
        shl rax, 24
        or rax, 0xb80000
        mov [WINDOW + 4096 - 2], rax
        mov byte ptr [WINDOW + 4096 + 5], 0xc3
        runs_as ecx, "store over an edge"
        dec ecx
        jnz 1b
        println "ok store over an edge"
        ret

# The same address in two address spaces.
other_address_space:
        mov rsi, cr3
        lea rdi, [second_root]
        mov ecx, 512
        rep movsq
        mov rsi, [second_root]
        and esi, ~0xfff
        lea rdi, [second_pointers]
        mov ecx, 512
        rep movsq
        lea rax, [second_pointers + 7]
        mov [second_root], rax
        lea rax, [second_directory + 7]
        mov [second_pointers + 8], rax
        mov dword ptr [second_directory], FRAMES + 0x200000 + 0x87
        mov rsi, cr3
        lea rdi, [second_root]
        mov ecx, 20
        place_constant CODE
        place_constant (FRAMES + 0x200000)
        mov ecx, 20
1:      mov [CODE + 1], ecx
        lea rax, [rcx + 50]
        mov [FRAMES + 0x200000 + 1], eax
        lea rbx, [CODE]
        runs_as ecx, "first address space"
        mov cr3, rdi
        lea edx, [rcx + 50]
        runs_as edx, "second address space"
        mov cr3, rsi
        runs_as ecx, "first address space again"
        dec ecx
        jnz 1b
        println "ok address spaces"
        ret

        .data
        .balign 64
saved:  .fill 512, 1, 0
        .balign 4096
second_root: .fill 512, 8, 0
second_pointers: .fill 512, 8, 0
second_directory: .fill 512, 8, 0
        .text
