/* vcruntime_string.h - see vcruntime.h. */
#pragma once
#include <vcruntime.h>

void *__cdecl memchr(const void *memory, int value, size_t size);
int __cdecl memcmp(const void *left, const void *right, size_t size);
void *__cdecl memcpy(void *to, const void *from, size_t size);
void *__cdecl memmove(void *to, const void *from, size_t size);
void *__cdecl memset(void *memory, int value, size_t size);
char *__cdecl strchr(const char *text, int character);
char *__cdecl strrchr(const char *text, int character);
char *__cdecl strstr(const char *text, const char *part);
wchar_t *__cdecl wcschr(const wchar_t *text, wchar_t character);
wchar_t *__cdecl wcsrchr(const wchar_t *text, wchar_t character);
wchar_t *__cdecl wcsstr(const wchar_t *text, const wchar_t *part);
