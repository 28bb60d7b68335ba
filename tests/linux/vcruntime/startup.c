/*
 * startup.c - what Microsoft's static C library, which comes with the Windows SDK, expects from
 * the libraries that come with cl.exe and with nothing else: the start of a program, and what only
 * C++, a damaged stack or an exception would call. sdk_test.sh makes a libcmt.lib of it.
 */
#include <stdlib.h>

#pragma comment(lib, "libucrt")
#pragma comment(lib, "kernel32")
#pragma comment(lib, "ntdll") /* memcpy and the like */

typedef void(__cdecl *function)(void);
typedef int(__cdecl *function_with_status)(void);

int main(int argc, char **argv);

/* These are the C library's. */
_Bool __cdecl __acrt_initialize(void);
int __cdecl _crt_atexit(function last_act);
int __cdecl _configure_narrow_argv(int mode);
int __cdecl _initialize_narrow_environment(void);
int __cdecl _initterm_e(function_with_status *first, function_with_status *last);
void __cdecl _initterm(function *first, function *last);

/* The linker sorts these sections by name: what the C library wants to have called at the start and
 * at the end is between each two. */
#pragma section(".CRT$XCA", long, read)
#pragma section(".CRT$XCZ", long, read)
#pragma section(".CRT$XIA", long, read)
#pragma section(".CRT$XIZ", long, read)
#pragma section(".CRT$XPA", long, read)
#pragma section(".CRT$XPZ", long, read)
#pragma section(".CRT$XTA", long, read)
#pragma section(".CRT$XTZ", long, read)
__declspec(allocate(".CRT$XIA")) function_with_status __xi_a[] = {0};
__declspec(allocate(".CRT$XIZ")) function_with_status __xi_z[] = {0};
__declspec(allocate(".CRT$XCA")) function __xc_a[] = {0};
__declspec(allocate(".CRT$XCZ")) function __xc_z[] = {0};
__declspec(allocate(".CRT$XPA")) function __xp_a[] = {0};
__declspec(allocate(".CRT$XPZ")) function __xp_z[] = {0};
__declspec(allocate(".CRT$XTA")) function __xt_a[] = {0};
__declspec(allocate(".CRT$XTZ")) function __xt_z[] = {0};
#pragma comment(linker, "/merge:.CRT=.rdata")

int _fltused = 1;
int __isa_available = 0; /* no more than every x64 processor has */
uintptr_t __security_cookie = 0x2B992DDFA232;

void mainCRTStartup(void)
{
    enum { ARGUMENTS_AS_THEY_ARE = 1 };
    if (!__acrt_initialize() || _initterm_e(__xi_a, __xi_z) != 0)
        abort();
    _initterm(__xc_a, __xc_z);
    if (_configure_narrow_argv(ARGUMENTS_AS_THEY_ARE) != 0 || _initialize_narrow_environment() != 0)
        abort();
    exit(main(__argc, __argv));
}

int __cdecl atexit(function last_act)
{
    return _crt_atexit(last_act);
}

/* Called between a function's result and its return, so every register must stay as it is. */
void __security_check_cookie(uintptr_t cookie)
{
    (void)cookie;
}

/* Called for each function on the stack when there is an exception: go on with the next one. */
int __GSHandlerCheck(void)
{
    enum { CONTINUE_SEARCH = 1 };
    return CONTINUE_SEARCH;
}

void __crt_debugger_hook(int reserved)
{
    (void)reserved;
}

_Bool __vcrt_uninitialize(_Bool terminating)
{
    (void)terminating;
    return 1;
}

/* Only C++ calls these, or a program that has gone wrong. */
int __GSHandlerCheck_EH(void)
{
    abort();
}
int __CxxFrameHandler3(void)
{
    abort();
}
int __C_specific_handler_noexcept(void)
{
    abort();
}
void __std_terminate(void)
{
    abort();
}
void __report_rangecheckfailure(void)
{
    abort();
}
