# Blocks that begin at one address and have one size, but not one number of instructions: an engine
# that knows a block by its extent counts them wrong. They stay translated side by side, because the
# page is moved and not written.
        .include "guest.inc"
        .include "pages.inc"

main:
        call window_init
        place four, two, FRAMES
        place two, behind, FRAMES + 4096
        xor eax, eax
        mov ebx, 300
1:      show 0, 0
        call WINDOW
        call WINDOW
        show 0, 1
        call WINDOW
        dec ebx
        jnz 1b
        cmp eax, 300 * (2 * 3 + 1)
        must_be_equal "the sums of both blocks"
        println "ok extents"
        ret

four:   inc eax                     # Two bytes each.
        inc eax
        inc eax
        ret
two:    .byte 0x3e, 0x3e, 0x3e      # Prefixes that mean nothing.
        lea eax, [rax + 1]
        ret
behind:
