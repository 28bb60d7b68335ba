/*
 * utf8.h - names of files and folders in any letters, for the tools and the checks.
 *
 * In memory a name is UTF-8. Windows functions that end in A, and fopen, would take it for text in
 * the code page of the machine, which may lack its letters; those that end in W take UTF-16.
 */
#ifndef UTF8_H
#define UTF8_H

#include "../common/common.h"

#include <stdio.h>
#include <wchar.h>

enum { NAME_SIZE = 1024 };

/* Call it first in main: replaces the arguments with the same arguments in UTF-8, which live until
 * the program ends, and lets a console show UTF-8 until then. On failure the program ends with
 * status 1. */
void use_utf8(int *argc, char ***argv);

/* The same without the console, for a program that prints only with print_utf8: changing the code
 * page of a console may also change its font. */
void read_utf8_arguments(int *argc, char ***argv);

/* Like fprintf, to stdout or stderr: a console shows the text whatever its code page is; a file or
 * a pipe gets UTF-8. */
void print_utf8(FILE *stream, const char *format, ...) FORMAT_LIKE_PRINTF(2, 3);

/* Writes the text in UTF-16 into wide, an array of size characters; nothing if it is too long.
 * Returns wide. */
const wchar_t *wide_text(const char *text, wchar_t *wide, int size);

/* The other way round, for the name of a file; text is an array of NAME_SIZE characters. Returns
 * text. */
const char *narrow_name(const wchar_t *wide, char *text);

/* Like fopen, but two programs cannot write the same file at the same time. NULL on failure, with
 * the reason in GetLastError. The caller closes it with fclose. */
FILE *open_file(const char *name, const char *mode);

#endif
