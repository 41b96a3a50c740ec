#include "devices/cmos_rtc.h"

#include <algorithm>
#include <chrono>

#include "emulator/base/uint128.h"

namespace ftvm::devices {
namespace {

constexpr std::uint16_t kIndexPort = 0;
constexpr std::uint8_t kIndexMask = 0x7f;

enum Register : std::uint8_t {
  kSeconds = 0x00,
  kSecondsAlarm = 0x01,
  kMinutes = 0x02,
  kMinutesAlarm = 0x03,
  kHours = 0x04,
  kHoursAlarm = 0x05,
  kDayOfWeek = 0x06,
  kDayOfMonth = 0x07,
  kMonth = 0x08,
  kYear = 0x09,
  kRegisterA = 0x0a,
  kRegisterB = 0x0b,
  kRegisterC = 0x0c,
  kRegisterD = 0x0d,
  kBaseMemory = 0x15,          // KiB, 16 bits.
  kExtendedMemory = 0x17,      // KiB above 1 MiB, 16 bits.
  kExtendedMemoryCopy = 0x30,  // The same again.
  kCentury = 0x32,
  kMemoryAbove16M = 0x34,  // Units of 64 KiB, 16 bits.
};

constexpr std::uint8_t kUpdateInProgress = 0x80;  // Register A.
constexpr std::uint8_t kDividerReset = 0x60;      // Register A, both bits set.
constexpr std::uint8_t kRateMask = 0x0f;
constexpr std::uint8_t k32768Hz1024Hz = 0x26;
constexpr std::uint8_t kSet = 0x80;  // Register B.
constexpr std::uint8_t kPeriodic = 0x40;
constexpr std::uint8_t kAlarm = 0x20;
constexpr std::uint8_t kUpdateEnded = 0x10;
constexpr std::uint8_t kEvents = kPeriodic | kAlarm | kUpdateEnded;  // Registers B and C alike.
constexpr std::uint8_t kSquareWave = 0x08;
constexpr std::uint8_t kBinary = 0x04;
constexpr std::uint8_t k24Hours = 0x02;
constexpr std::uint8_t kInterruptRequest = 0x80;  // Register C.
constexpr std::uint8_t kValidRamAndTime = 0x80;   // Register D.
constexpr std::uint8_t kAlarmAny = 0xc0;
constexpr std::uint8_t kPm = 0x80;

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kCrystalHz = 32'768;
constexpr std::uint64_t kUipNs = 244'000 + 1'984'000;  // Warning time and update cycle.
constexpr std::uint64_t kFirstUpdateNs = 500'000'000;  // After the divider was released.
constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::int64_t kUnixMin = -62'167'219'200;  // 0000-01-01.
constexpr std::int64_t kUnixMax = 253'402'300'799;  // 9999-12-31 23:59:59.
constexpr unsigned kIrq = 8;

constexpr bool is_time(std::uint8_t index) {
  return index == kCentury || (index <= kYear && index != kSecondsAlarm && index != kMinutesAlarm &&
                               index != kHoursAlarm);
}

/// Length of the periodic interrupt's period. Units: cycles of the crystal. Range: rate is not 0.
constexpr std::uint64_t period_cycles(unsigned rate) {
  return std::uint64_t{1} << (rate <= 2 ? rate + 6 : rate - 1);
}
static_assert(kCrystalHz / period_cycles(6) == 1024);
static_assert(kCrystalHz / period_cycles(1) == 256);

struct Calendar {
  unsigned century, year, month, day, weekday, hour, minute, second;
};

GuestTime guest_time_of(Uint128 ns) {
  return ns < GuestTime::never().ns ? GuestTime{static_cast<std::uint64_t>(ns)}
                                    : GuestTime::never();
}

/// std::chrono calendar types are arithmetic only; no clock is read here.
Calendar calendar_of(std::int64_t unix_s) {
  using namespace std::chrono;
  const sys_seconds time{seconds(std::clamp(unix_s, kUnixMin, kUnixMax))};
  const sys_days day = floor<days>(time);
  const year_month_day date{day};
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  const auto second = static_cast<unsigned>((time - day).count());
  return {.century = year / 100,
          .year = year % 100,
          .month = static_cast<unsigned>(date.month()),
          .day = static_cast<unsigned>(date.day()),
          .weekday = weekday{day}.c_encoding(),
          .hour = second / 3600,
          .minute = second / 60 % 60,
          .second = second % 60};
}

/// Values beyond their range carry over into the next larger unit.
std::int64_t unix_of(const Calendar& c) {
  using namespace std::chrono;
  const unsigned month_index = std::clamp(c.month, 1u, 12u) - 1;
  const year_month_day first{year{static_cast<int>(c.century % 100 * 100 + c.year % 100)},
                             month{month_index + 1}, day{1}};
  const sys_days date = sys_days{first} + days{c.day} - days{1};
  const std::int64_t seconds_of_day = (std::int64_t{c.hour} * 60 + c.minute) * 60 + c.second;
  return std::min(date.time_since_epoch().count() * kSecondsPerDay + seconds_of_day, kUnixMax);
}

}  // namespace

CmosRtc::CmosRtc(const Options& options, IrqSink& irqs) : irqs_(irqs) {
  set_boot_time(options.boot_unix_s);
  ram_[kRegisterA] = k32768Hz1024Hz;
  ram_[kRegisterB] = k24Hours;
  const auto put_u16 = [this](std::uint8_t at, std::uint64_t value) {
    const auto capped = static_cast<std::uint16_t>(std::min<std::uint64_t>(value, 0xffff));
    store_le(&ram_[at], capped);
  };
  constexpr std::uint64_t kMiB = 1 << 20;
  const auto above = [&options](std::uint64_t limit) {
    return options.ram_bytes > limit ? options.ram_bytes - limit : 0;
  };
  put_u16(kBaseMemory, 640);
  put_u16(kExtendedMemory, above(kMiB) / 1024);
  put_u16(kExtendedMemoryCopy, above(kMiB) / 1024);
  put_u16(kMemoryAbove16M, above(16 * kMiB) / 65'536);
}

void CmosRtc::set_boot_time(std::int64_t boot_unix_s) {
  base_unix_s_ = std::clamp(boot_unix_s, kUnixMin, kUnixMax);
}

std::uint8_t CmosRtc::encode(unsigned value) const {
  if (ram_[kRegisterB] & kBinary) return static_cast<std::uint8_t>(value);
  return static_cast<std::uint8_t>(((value / 10) << 4) | (value % 10));
}

unsigned CmosRtc::decode(std::uint8_t raw) const {
  return (ram_[kRegisterB] & kBinary) ? raw : (raw >> 4) * 10u + (raw & 15u);
}

std::uint8_t CmosRtc::encode_hour(unsigned hour) const {
  if (ram_[kRegisterB] & k24Hours) return encode(hour);
  const unsigned shown = hour % 12 == 0 ? 12 : hour % 12;
  return static_cast<std::uint8_t>(encode(shown) | (hour >= 12 ? kPm : 0));
}

unsigned CmosRtc::decode_hour(std::uint8_t raw) const {
  if (ram_[kRegisterB] & k24Hours) return decode(raw);
  const unsigned hour = decode(raw & static_cast<std::uint8_t>(~kPm)) % 12;
  return (raw & kPm) ? hour + 12 : hour;
}

bool CmosRtc::divider_runs() const {
  return (ram_[kRegisterA] & kDividerReset) != kDividerReset;
}
bool CmosRtc::updates_run() const {
  return divider_runs() && (ram_[kRegisterB] & kSet) == 0;
}

std::int64_t CmosRtc::second_index(GuestTime time) const {
  const auto whole = static_cast<std::int64_t>(time.ns / kNsPerSecond);
  return time.ns % kNsPerSecond >= phase_ns_ ? whole : whole - 1;
}

GuestTime CmosRtc::next_second(GuestTime time) const {
  const auto next = static_cast<std::uint64_t>(second_index(time) + 1);
  return guest_time_of(Uint128{next} * kNsPerSecond + phase_ns_);
}

/// Whole periods up to `time`, counted from one second before the clock's second 0.
std::uint64_t CmosRtc::period_index(GuestTime time) const {
  const unsigned rate = ram_[kRegisterA] & kRateMask;
  if (rate == 0) return 0;
  const Uint128 ns = Uint128{time.ns} + kNsPerSecond - phase_ns_;
  return static_cast<std::uint64_t>(ns * kCrystalHz / kNsPerSecond / period_cycles(rate));
}

GuestTime CmosRtc::next_period(GuestTime time) const {
  const unsigned rate = ram_[kRegisterA] & kRateMask;
  if (rate == 0) return GuestTime::never();
  const Uint128 cycles = (Uint128{period_index(time)} + 1) * period_cycles(rate);
  const Uint128 ns =
      (cycles * kNsPerSecond + kCrystalHz - 1) / kCrystalHz + phase_ns_ - kNsPerSecond;
  return guest_time_of(ns);
}

bool CmosRtc::alarm_matches(std::int64_t unix_s) const {
  const std::int64_t in_day = (unix_s % kSecondsPerDay + kSecondsPerDay) % kSecondsPerDay;
  const auto second = static_cast<unsigned>(in_day);
  const auto matches = [this](Register alarm, std::uint8_t value) {
    return ram_[alarm] >= kAlarmAny || ram_[alarm] == value;
  };
  return matches(kSecondsAlarm, encode(second % 60)) &&
         matches(kMinutesAlarm, encode(second / 60 % 60)) &&
         matches(kHoursAlarm, encode_hour(second / 3600));
}

/// Time of day into the registers, in the format that register B asks for.
void CmosRtc::latch_time(GuestTime time) {
  const Calendar c = calendar_of(base_unix_s_ + second_index(time));
  ram_[kSeconds] = encode(c.second);
  ram_[kMinutes] = encode(c.minute);
  ram_[kHours] = encode_hour(c.hour);
  ram_[kDayOfWeek] = encode((c.weekday + weekday_shift_) % 7 + 1);
  ram_[kDayOfMonth] = encode(c.day);
  ram_[kMonth] = encode(c.month);
  ram_[kYear] = encode(c.year);
  ram_[kCentury] = encode(c.century);
}

/// The registers' time of day becomes that of the current second.
void CmosRtc::take_time(GuestTime time) {
  const std::int64_t unix_s = unix_of({.century = decode(ram_[kCentury]),
                                       .year = decode(ram_[kYear]),
                                       .month = decode(ram_[kMonth]),
                                       .day = decode(ram_[kDayOfMonth]),
                                       .weekday = 0,
                                       .hour = decode_hour(ram_[kHours]),
                                       .minute = decode(ram_[kMinutes]),
                                       .second = decode(ram_[kSeconds])});
  const unsigned weekday = decode(ram_[kDayOfWeek]);
  weekday_shift_ = static_cast<std::uint8_t>((weekday + 6 + 7 - calendar_of(unix_s).weekday) % 7);
  seen_second_ = second_index(time);
  base_unix_s_ = unix_s - seen_second_;
}

/// Registers A and B: they decide whether and when updates happen.
void CmosRtc::write_control(std::uint8_t index, std::uint8_t value, GuestTime time) {
  const bool ran = updates_run();
  const bool divider_ran = divider_runs();
  if (ran) latch_time(time);
  if (index == kRegisterA) {
    ram_[kRegisterA] = value & static_cast<std::uint8_t>(~kUpdateInProgress);
  } else {
    // SET going high clears UIE.
    const bool sets = (value & kSet) != 0 && (ram_[kRegisterB] & kSet) == 0;
    ram_[kRegisterB] = sets ? value & static_cast<std::uint8_t>(~kUpdateEnded) : value;
  }
  if (!divider_ran && divider_runs()) {
    phase_ns_ = static_cast<std::uint32_t>(time.plus_ns(kFirstUpdateNs).ns % kNsPerSecond);
  }
  // A change of format alone leaves the time as it is.
  if (!ran && updates_run()) take_time(time);
  seen_period_ = period_index(time);
}

void CmosRtc::write_register(std::uint8_t value, const Now& now) {
  collect_events(now.time);
  if (index_ == kRegisterA || index_ == kRegisterB) {
    write_control(index_, value, now.time);
  } else if (is_time(index_)) {
    const bool runs = updates_run();
    if (runs) latch_time(now.time);
    ram_[index_] = value;
    if (runs) take_time(now.time);
  } else if (index_ != kRegisterC && index_ != kRegisterD) {
    ram_[index_] = value;
  }
  update_irq();
  arm(now);
}

/// Puts what has happened up to `time` into register C. Flags are set whether or not their
/// interrupt is enabled; nothing is missed when time jumps, and nothing counted twice.
void CmosRtc::collect_events(GuestTime time) {
  if (updates_run() && second_index(time) > seen_second_) {
    ram_[kRegisterC] |= kUpdateEnded;
    const std::int64_t to = second_index(time);
    for (std::int64_t s = std::max(seen_second_ + 1, to - kSecondsPerDay + 1);
         s <= to && (ram_[kRegisterC] & kAlarm) == 0; ++s) {
      if (alarm_matches(base_unix_s_ + s)) ram_[kRegisterC] |= kAlarm;
    }
    seen_second_ = to;
  }
  if (divider_runs() && period_index(time) > seen_period_) {
    ram_[kRegisterC] |= kPeriodic;
    seen_period_ = period_index(time);
  }
}

void CmosRtc::update_irq() {
  irqs_.set_irq(kIrq, (ram_[kRegisterC] & ram_[kRegisterB] & kEvents) != 0);
}

/// The timer runs only for events that would raise the interrupt. A deadline that stays the same is
/// not armed again, which could put it off.
void CmosRtc::arm(const Now& now) {
  const auto awaited = static_cast<std::uint8_t>(ram_[kRegisterB] & ~ram_[kRegisterC]);
  GuestTime due = GuestTime::never();
  if (updates_run() && (awaited & (kUpdateEnded | kAlarm))) due = next_second(now.time);
  if (divider_runs() && (awaited & kPeriodic)) due = std::min(due, next_period(now.time));
  if (due == GuestTime::never()) {
    timer_.cancel();
  } else if (due != timer_.due()) {
    timer_.arm(due, now);
  }
}

std::uint8_t CmosRtc::read_register(const Now& now) {
  if (is_time(index_)) {
    if (updates_run()) latch_time(now.time);
    return ram_[index_];
  }
  switch (index_) {
    case kRegisterA: {
      const bool soon = next_second(now.time).ns - now.time.ns <= kUipNs;
      return static_cast<std::uint8_t>(ram_[kRegisterA] |
                                       (updates_run() && soon ? kUpdateInProgress : 0));
    }
    case kRegisterC: {
      collect_events(now.time);
      const std::uint8_t flags = ram_[kRegisterC];
      const bool requests = (flags & ram_[kRegisterB] & kEvents) != 0;
      ram_[kRegisterC] = 0;
      update_irq();
      arm(now);
      return static_cast<std::uint8_t>(flags | (requests ? kInterruptRequest : 0));
    }
    case kRegisterD:
      return kValidRamAndTime;
    default:
      return ram_[index_];
  }
}

std::uint32_t CmosRtc::read(std::uint16_t offset, unsigned, const Now& now) {
  return offset == kIndexPort ? 0xff : read_register(now);
}

void CmosRtc::write(std::uint16_t offset, unsigned, std::uint32_t value, const Now& now) {
  if (offset == kIndexPort) {
    index_ = value & kIndexMask;
  } else {
    write_register(static_cast<std::uint8_t>(value), now);
  }
}

void CmosRtc::expire(Timer& timer, const Now& now) {
  timer.cancel();
  collect_events(now.time);
  update_irq();
  arm(now);
}

/// The RESET pin clears the interrupt enables and flags; the rest is kept by the battery.
void CmosRtc::reset(const Now& now) {
  collect_events(now.time);
  ram_[kRegisterB] &= static_cast<std::uint8_t>(~(kEvents | kSquareWave));
  ram_[kRegisterC] = 0;
  index_ = 0;
  update_irq();
  timer_.cancel();
}

void CmosRtc::visit_state(StateVisitor& v) {
  v.field("index", index_);
  v.check("index", index_ <= kIndexMask);
  v.field("ram", ram_);
  v.field("base_unix_s", base_unix_s_);
  v.check("base_unix_s", base_unix_s_ >= 2 * kUnixMin && base_unix_s_ <= kUnixMax + 1);
  v.field("phase_ns", phase_ns_);
  v.check("phase_ns", phase_ns_ < kNsPerSecond);
  v.field("weekday_shift", weekday_shift_);
  v.check("weekday_shift", weekday_shift_ < 7);
  v.field("seen_second", seen_second_);
  v.check("seen_second", seen_second_ >= -1 && seen_second_ <= kUnixMax);
  v.field("seen_period", seen_period_);
  v.enter("timer");
  timer_.visit_state(v);
  v.leave();
}

}  // namespace ftvm::devices
