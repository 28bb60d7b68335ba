/*
 * vcruntime.h - what Microsoft's C library headers, which come with the Windows SDK, expect from
 * those that come with cl.exe and with nothing else: this folder has just enough of them for
 * sdk_test.sh. The headers that every compiler has (stdarg.h, stdbool.h, intrin.h) are clang's.
 */
#pragma once
#include <sal.h>
#include <vadefs.h>

#define __CRTDECL __cdecl
#define _VCRTIMP
#define _CRT_BEGIN_C_HEADER
#define _CRT_END_C_HEADER
#define _CRT_ALIGN(size)               __declspec(align(size))
#define _CRT_CONCATENATE_(left, right) left##right
#define _CRT_CONCATENATE(left, right)  _CRT_CONCATENATE_(left, right)
#define _CRT_STRINGIZE_(text)          #text
#define _CRT_STRINGIZE(text)           _CRT_STRINGIZE_(text)
#define _CRT_WIDE_(text)               L##text
#define _CRT_WIDE(text)                _CRT_WIDE_(text)
#define _CRT_UNPARENTHESIZE_(...)      __VA_ARGS__
#define _CRT_UNPARENTHESIZE(...)       _CRT_UNPARENTHESIZE_ __VA_ARGS__
#define __crt_countof(array)           (sizeof(array) / sizeof(*(array)))
#define _HAS_NODISCARD                 0
#define _NODISCARD

/* Warning C4996: strcpy, fopen and others. */
#define _CRT_DEPRECATE_TEXT(text) __declspec(deprecated(text))
#ifdef _CRT_SECURE_NO_WARNINGS
#define _CRT_INSECURE_DEPRECATE(replacement)
#else
#define _CRT_INSECURE_DEPRECATE(replacement)                                                       \
    _CRT_DEPRECATE_TEXT("it may be unsafe: consider " #replacement)
#endif
#define _CRT_INSECURE_DEPRECATE_MEMORY(replacement)

typedef unsigned short wchar_t;
typedef _Bool __vcrt_bool;
#ifdef _WIN64
typedef unsigned __int64 size_t;
typedef __int64 ptrdiff_t;
typedef __int64 intptr_t;
typedef unsigned __int64 uintptr_t;
#else
typedef unsigned int size_t;
typedef int ptrdiff_t;
typedef int intptr_t;
typedef unsigned int uintptr_t;
#endif
