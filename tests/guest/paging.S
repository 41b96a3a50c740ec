# What page tables tell the guest: Accessed and Dirty bits, what a TLB may keep and what it must
# forget.
        .include "guest.inc"
        .include "pages.inc"

main:
        call window_init
        call accessed_and_dirty
        call stale_and_fresh
        call global_pages
        call large_pages
        call frames_of_exceptions
        ret

        .macro entry_is page:req, bits:req, name:req
        mov eax, [window_table + 8 * (\page)]
        and eax, 0x60
        cmp eax, \bits
        must_be_equal "\name"
        .endm

accessed_and_dirty:
        entry_is 5, 0, "untouched"
        mov rax, [WINDOW + 4096 * 5]
        entry_is 5, 0x20, "read"
        mov [WINDOW + 4096 * 5], rax
        entry_is 5, 0x60, "written"
        mov [WINDOW + 4096 * 6], rax
        entry_is 6, 0x60, "written at once"
        lock inc byte ptr [WINDOW + 4096 * 7]
        entry_is 7, 0x60, "locked"
        mov byte ptr [WINDOW + 4096 * 8], 0xc3
        show 8, 8
        mov eax, WINDOW + 4096 * 8
        call rax
        entry_is 8, 0x20, "executed"
        prefetcht0 [WINDOW + 4096 * 9]
        entry_is 9, 0, "prefetched"
        mov eax, [window_directory]
        test al, 0x20
        jnz 1f
        fail "directory not accessed"
1:      println "ok accessed and dirty"
        ret

# A mapping that was there may be used until INVLPG or MOV CR3, and then not.
stale_and_fresh:
        mov qword ptr [WINDOW + 4096 * 10], 10
        mov qword ptr [WINDOW + 4096 * 11], 11
        mov qword ptr [window_table + 8 * 10], FRAMES + 4096 * 11 + 7
        invlpg [WINDOW + 4096 * 10]
        cmp qword ptr [WINDOW + 4096 * 10], 11
        must_be_equal "INVLPG"
        mov qword ptr [window_table + 8 * 10], FRAMES + 4096 * 10 + 7
        mov rax, cr3
        mov cr3, rax
        cmp qword ptr [WINDOW + 4096 * 10], 10
        must_be_equal "MOV CR3"
        and byte ptr [window_table + 8 * 10], ~2
        mov rax, cr0
        bts rax, 16
        mov cr0, rax                # WP
        invlpg [WINDOW + 4096 * 10]
        faults "#PF made read-only", 14, 3, mov qword ptr [WINDOW + 4096 * 10], 1
        or byte ptr [window_table + 8 * 10], 2
        mov qword ptr [WINDOW + 4096 * 10], 1          # More rights need no flush.
        hide 10
        faults "#PF hidden", 14, 0, mov rax, [WINDOW + 4096 * 10]
        mov qword ptr [window_table + 8 * 10], FRAMES + 4096 * 10 + 7
        cmp qword ptr [WINDOW + 4096 * 10], 1
        must_be_equal "made present"
        println "ok stale and fresh"
        ret

global_pages:
        mov rax, cr4
        or eax, 0x80                # PGE
        mov cr4, rax
        mov qword ptr [WINDOW + 4096 * 12], 12
        mov qword ptr [WINDOW + 4096 * 13], 13
        or word ptr [window_table + 8 * 12], 0x100
        invlpg [WINDOW + 4096 * 12]
        mov rbx, [WINDOW + 4096 * 12]
        mov qword ptr [window_table + 8 * 12], FRAMES + 4096 * 13 + 7
        mov rax, cr4
        and eax, ~0x80
        mov cr4, rax                # Takes global ones too.
        cmp qword ptr [WINDOW + 4096 * 12], 13
        must_be_equal "MOV CR4"
        println "ok global pages"
        ret

# 2 MiB and 1 GiB at the same place, and their bits.
large_pages:
        mov rdx, cr3
        mov rdx, [rdx]
        and edx, ~0xfff
        lea rax, [big_directory + 7]
        mov [rdx + 16], rax
        mov qword ptr [big_directory + 8], FRAMES + 0x87
        mov rbx, 0x80200000
        invlpg [rbx]
        mov rax, [rbx + 0x3008]
        mov [rbx + 0x13008], rax
        mov eax, [big_directory + 8]
        and eax, 0x60
        cmp eax, 0x60
        must_be_equal "bits of 2 MiB"
        mov qword ptr [rdx + 16], 0x87
        mov rax, cr3
        mov cr3, rax
        mov rax, [rbx + FRAMES]
        mov eax, [rdx + 16]
        and eax, 0x60
        cmp eax, 0x20
        must_be_equal "bits of 1 GiB"
        println "ok large pages"
        ret

# The frame of an exception is a store like any other.
frames_of_exceptions:
        handle 6, skip_ud2
        show 20, 20
        mov r12, rsp
        mov rsp, WINDOW + 4096 * 21
        ud2
        mov rsp, r12
        entry_is 20, 0x60, "written by an exception"
        # And of course not if the page is read-only.
        and byte ptr [window_table + 8 * 20], ~2
        invlpg [WINDOW + 4096 * 20]
        mov edi, 14
        mov esi, 1
        call set_ist
        handle 14, open_stack
        mov rsp, WINDOW + 4096 * 21
        ud2
        mov rsp, r12
        handle 14, unexpected
        mov edi, 14
        xor esi, esi
        call set_ist
        handle 6, unexpected
        println "ok frames of exceptions"
        ret
skip_ud2:
        add qword ptr [rdi + F_RIP], 2
        ret
open_stack:
        cmp qword ptr [rdi + F_ERROR], 3
        must_be_equal "error code of a read-only stack"
        or byte ptr [window_table + 8 * 20], 2
        ret                         # To the UD2, which comes again.

        .data
        .balign 4096
big_directory: .fill 512, 8, 0
        .text
