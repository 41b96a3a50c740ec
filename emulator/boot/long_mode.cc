#include "emulator/boot/long_mode.h"

#include "emulator/base/bytes.h"

namespace ftvm::boot {
namespace {

constexpr std::uint64_t kGiBs = 4;
static_assert(kPageTablesAt + (2 + kGiBs) * kPageBytes == kPageTablesEnd);

void put_page_tables(GuestMemory& memory) {
  constexpr std::uint64_t kPresentWritable = 3, kLarge = 0x80;
  std::uint8_t* tables = memory.data() + kPageTablesAt;
  store_le(tables, (kPageTablesAt + kPageBytes) | kPresentWritable);
  for (std::uint64_t i = 0; i < kGiBs; ++i) {
    const std::uint64_t directory = kPageTablesAt + (2 + i) * kPageBytes;
    store_le(tables + kPageBytes + 8 * i, directory | kPresentWritable);
    for (std::uint64_t j = 0; j < 512; ++j) {
      const std::uint64_t page = (i * 512 + j) << 21;
      store_le(memory.data() + directory + 8 * j, page | kLarge | kPresentWritable);
    }
  }
}

CpuRegisters registers_for(const LongModeEntry& entry) {
  constexpr std::uint32_t kCodeAttributes = 0x00af9b00, kDataAttributes = 0x00cf9300;
  CpuRegisters r;
  r.cr0 = 0x8000'0033;  // PG, NE, ET, MP, PE
  r.cr3 = kPageTablesAt;
  r.cr4 = 0x220;   // OSFXSR, PAE
  r.efer = 0x500;  // LMA, LME
  r.segment.fill(SegmentRegister{0x18, 0, 0xffff'ffff, kDataAttributes});
  r.segment[1] = SegmentRegister{0x10, 0, 0xffff'ffff, kCodeAttributes};
  r.gdt = SegmentRegister{0, kGdtAt, 0x1f, 0};
  r.tr = SegmentRegister{0, 0, 0xffff, 0x8b00};
  r.gpr[6] = entry.rsi;
  r.gpr[4] = entry.rsp;
  r.rip = entry.rip;
  return r;
}

}  // namespace

void enter_long_mode(const LongModeEntry& entry, GuestMemory& memory, Cpu& cpu) {
  put_page_tables(memory);
  store_le<std::uint64_t>(memory.data() + kGdtAt + 0x10, 0x00af'9b00'0000'ffff);
  store_le<std::uint64_t>(memory.data() + kGdtAt + 0x18, 0x00cf'9300'0000'ffff);
  cpu.memory_written(GuestPhys{0}, memory.size_bytes());
  cpu.set_registers(registers_for(entry));
}

}  // namespace ftvm::boot
