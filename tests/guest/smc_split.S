# Stores that are not aligned and reach from before the running block into it: the library makes them
# byte by byte, and must not have begun when it gives up the block.
        .include "guest.inc"

        .macro adds_over name:req, place:req, wanted:req
        mov eax, 1
        lea rdi, [\place]
        call (\place + 1)
        cmp dword ptr [\place], \wanted
        must_be_equal "\name"
        println "ok \name"
        .endm

main:
        adds_over "ADD of 4 bytes over the running block", four, 0xc3070101
        adds_over "ADD of 4 bytes again", four, 0xc3070102
        adds_over "ADD of 8 bytes", eight, 0x07014801
        ret

        .data
        .balign 64
        .fill 5, 1, 0x90
four:   .byte 0
        add [rdi], eax
        ret
        .balign 64
        .fill 59, 1, 0x90
eight:  .byte 0
        add [rdi], rax
        ret
        .fill 64, 1, 0x90
        .text
