# Bit tests of a register with a LOCK prefix, which a CPU refuses. The library would die of them, as the
# portable engine does (portable_cpu.h). A test runs this on the other one.
        .include "guest.inc"

main:
        faults "LOCK BT of a register", 6, 0, .byte 0xf0, 0x0f, 0xa3, 0xde
        faults "LOCK BTS of a register", 6, 0, .byte 0x66, 0xf0, 0x0f, 0xab, 0xde
        faults "LOCK BTR of a register", 6, 0, .byte 0xf0, 0x41, 0x0f, 0xb3, 0xde
        faults "LOCK BTC of a register, by a constant", 6, 0, .byte 0xf0, 0x0f, 0xba, 0xf8, 1
        # Behind others, so that an index in the block is needed.
        expect_exception "LOCK BTC in a block", 6, 0, 1f, 2f, RF
        xor ecx, ecx
        add ecx, 3
        nop
1:      .byte 0xf0, 0x0f, 0xbb, 0xde
2:      call check_exception
        cmp ecx, 3
        must_be_equal "what led to it did not happen"
        # Of memory it is a good one. The same code becomes one, by its last byte alone.
        call changing
        lea rsi, [word]
        mov ebx, 5
        mov byte ptr [changed + 3], 0x1e
        call changed
        cmp dword ptr [word], 1 << 5
        must_be_equal "the changed instruction did not run"
        println "ok a changed one"
        ret

changing:
        expect_exception "LOCK BTC that will change", 6, 0, changed, 1f, RF
        call changed
1:      pop rax                     # The way back from `changed`.
        call check_exception
        ret
changed:
        .byte 0xf0, 0x0f, 0xbb, 0xde   # LOCK BTC ESI, EBX; later [RSI], EBX.
        ret

        .data
word:   .long 0
        .text
