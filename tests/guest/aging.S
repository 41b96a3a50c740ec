# Accessed bits that are cleared without a flush, as Linux does when it looks for pages to reclaim:
# what the guest sees then depends on the TLB, which must be the same however the run is made and
# whatever an engine flushes for itself, as the portable one does when new memory holds code.
        .include "guest.inc"
        .include "pages.inc"

        .set FRESH, 0x1000000       # Code that runs once, each further on than an engine watches.

main:
        call window_init
        call aging
        ret

# Pages are touched in a random order; now and then all Accessed bits are looked at and cleared.
aging:
        mov r12d, 12345
        xor r13, r13                # What was seen.
        mov r14d, 60
1:      mov eax, r14d
        shl eax, 19
        mov byte ptr [rax + FRESH], 0xc3
        lea rax, [rax + FRESH]
        call rax
        mov r15d, 96
2:      imul r12d, r12d, 1664525
        add r12d, 1013904223
        mov eax, r12d
        shr eax, 23                 # One of 512 pages.
        shl rax, 12
        test r12d, 0x400000
        jz 3f
        mov rbx, [rax + WINDOW]
        jmp 4f
3:      lock add dword ptr [rax + WINDOW], 1
4:      dec r15d
        jnz 2b
        xor ecx, ecx
5:      mov rax, [window_table + rcx * 8]
        shr eax, 5
        and eax, 3
        imul r13, r13, 31
        add r13, rax
        test ecx, 1                 # Every other one keeps its D bit.
        jz 6f
        and byte ptr [window_table + rcx * 8], ~0x20
        jmp 7f
6:      and byte ptr [window_table + rcx * 8], ~0x60
7:      inc ecx
        cmp ecx, 512
        jne 5b
        dec r14d
        jnz 1b
        print "what aging saw: "
        mov rax, r13
        print_rax
        println ""
        ret

