// FTVM_THREAD_SANITIZER is defined where the compiler builds for ThreadSanitizer, g++ or clang.
#pragma once

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FTVM_THREAD_SANITIZER
#endif
#elif defined(__SANITIZE_THREAD__)
#define FTVM_THREAD_SANITIZER
#endif
