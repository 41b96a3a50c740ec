# Code that lies on two pages, of which the second may be missing or change: who faults, where, and
# that nobody faults who did not get there. All of it without and with EFER.NXE, by which fetches are
# told from reads.
        .include "guest.inc"
        .include "pages.inc"

        .set EDGE, WINDOW + 4096
        .set NOWHERE, 0x70000000

main:
        call window_init
        xor r13d, r13d
        call all
        mov ecx, 0xc0000080
        rdmsr
        or eax, 0x800
        wrmsr
        mov r13d, 0x10              # The I bit.
        call all
        call end_of_addresses
        ret

all:
        call runs_over
        call split_instruction
        call faults_before
        call changes_behind
        call comes_back
        call traced
        ret

# A fetch from the missing page: the error code has the I bit with NXE, and only then.
        .macro fetch_faults name:req, at:req
        expect_exception "\name", 14, 0, \at, 9f, RF
        mov [want + 8], r13
        .endm
        .macro cr2_is name:req, value:req
        mov rax, cr2
        mov rdx, \value
        cmp rax, rdx
        must_be_equal "cr2: \name"
        .endm

runs_over:
        place over, over_end, EDGE-8
        hide 1
        xor ebx, ebx
        fetch_faults "code runs into a missing page", EDGE
        mov rax, EDGE - 8
        jmp rax
9:      call check_exception
        cr2_is "code runs into a missing page", EDGE
        cmp ebx, 4
        must_be_equal "what ran before the missing page"
        show 1, 1
        ret
over:   inc ebx
        inc ebx
        inc ebx
        inc ebx                     # Eight bytes: the page ends here.
        inc ebx
        ret
over_end:

split_instruction:
        place halves, halves_end, EDGE-4
        hide 1
        xor ebx, ebx
        fetch_faults "instruction runs into a missing page", EDGE-2
        mov rax, EDGE - 4
        jmp rax
9:      call check_exception
        cr2_is "instruction runs into a missing page", EDGE
        cmp ebx, 1
        must_be_equal "what ran before the split instruction"
        show 1, 1
        mov rax, EDGE - 4
        call rax
        cmp ebx, 0x12345678
        must_be_equal "split instruction"
        # The second half changes under it.
        mov dword ptr [FRAMES + 4096 * 2], 0xc3424344
        show 1, 2
        mov rax, EDGE - 4
        call rax
        cmp ebx, 0x42434478
        must_be_equal "split instruction, other half"
        show 1, 1
        ret
halves: inc ebx
        mov ebx, 0x12345678         # One byte of the opcode, one of the number; three on the next.
        ret
halves_end:

# The block would run on into the missing page, but faults before it gets there.
faults_before:
        mov rax, NOWHERE
        faults "some page fault, for CR2", 14, 0, mov rcx, [rax]
        place divides, divides_end, EDGE-6
        hide 1
        expect_exception "fault before a missing page", 0, 0, EDGE-4, 9f, RF
        mov eax, 1
        xor edx, edx
        xor ebx, ebx
        mov rcx, EDGE - 6
        jmp rcx
9:      call check_exception
        cr2_is "fault before a missing page", NOWHERE
        # The same when it is a page fault.
        show 1, 1
        place reads, reads_end, EDGE-6
        hide 1
        expect_exception "page fault before a missing page", 14, 0, EDGE-4, 9f, RF
        mov eax, NOWHERE + 4096
        mov rcx, EDGE - 6
        jmp rcx
9:      call check_exception
        cr2_is "page fault before a missing page", NOWHERE+4096
        show 1, 1
        ret
divides:
        xor edx, edx
        div ebx
        nop
        nop
        nop
divides_end:
reads:  xor edx, edx
        mov ebx, [rax]
        nop
        nop
        nop
reads_end:

# The first half stays, the second is another page each time.
changes_behind:
        place first, second, EDGE-2
        mov dword ptr [FRAMES + 4096 * 4], 0x90c3c3ff  # inc ebx; ret
        mov dword ptr [FRAMES + 4096 * 5], 0x90c3cbff  # dec ebx; ret
        mov ecx, 5
        xor ebx, ebx
1:      show 1, 4
        mov rax, EDGE - 2
        call rax
        show 1, 5
        call rax
        show 1, 4
        call rax
        loop 1b
        cmp ebx, 5 * (1 + 1 + 1 - 1 + 1 + 1)
        must_be_equal "second page changes"
        show 1, 1
        println "ok second page changes"
        ret
first:  inc ebx
second:

# The handler brings the page, the instruction goes on.
comes_back:
        place halves, halves_end, EDGE-4
        handle 14, bring
        mov ecx, 3
1:      hide 1
        xor ebx, ebx
        mov rax, EDGE - 4
        call rax
        cmp ebx, 0x12345678
        must_be_equal "split instruction, page brought"
        loop 1b
        handle 14, unexpected
        println "ok page brought by the handler"
        ret
bring:  mov rax, cr2
        cmp rax, EDGE
        jne unexpected
        cmp qword ptr [rdi + F_RIP], EDGE - 2
        jne unexpected
        show 1, 1
        ret

# Single steps over the edge, with the page missing.
traced:
        place over, over_end, EDGE-8
        hide 1
        handle 1, count_steps
        handle 14, bring_over
        xor ebx, ebx
        mov dword ptr [steps_seen], 0
        mov rax, EDGE - 8
        pushfq
        or dword ptr [rsp], TF
        popfq
        call rax
        pushfq
        and dword ptr [rsp], ~TF
        popfq
        nop
        cmp ebx, 5
        must_be_equal "traced code"
        cmp dword ptr [steps_seen], 10
        must_be_equal "steps over the edge"
        handle 1, unexpected
        handle 14, unexpected
        println "ok traced over a missing page"
        ret
count_steps:
        inc dword ptr [steps_seen]
        ret
bring_over:
        cmp qword ptr [rdi + F_RIP], EDGE
        jne unexpected
        show 1, 1
        ret

# Behind the last address of the lower half there is nothing to fetch.
end_of_addresses:
        mov rax, cr3
        lea rdx, [high_pointers + 7]
        mov [rax + 8 * 255], rdx
        lea rdx, [high_directory + 7]
        mov [high_pointers + 8 * 511], rdx
        lea rdx, [high_table + 7]
        mov [high_directory + 8 * 511], rdx
        mov qword ptr [high_table + 8 * 511], FRAMES + 7
        mov cr3, rax
        mov dword ptr [FRAMES + 4092], 0xc3ffc3ff      # inc ebx, twice
        xor ebx, ebx
        mov rax, 0x7ffffffffffc
        expect_exception "#GP behind the lower half", 13, 0, 9f, 9f, RF
        mov rdx, 0x800000000000
        mov [want + 16], rdx
        jmp rax
9:      call check_exception
        cmp ebx, 2
        must_be_equal "what ran before the end of addresses"
        ret

        .data
steps_seen: .long 0
        .balign 4096
high_pointers: .fill 512, 8, 0
high_directory: .fill 512, 8, 0
high_table: .fill 512, 8, 0
        .text
