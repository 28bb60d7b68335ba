/*
 * exercise_page.h - what course\homework\NAME\README.md, or README.ko.md in Korean, says about the
 * exercise NAME, and the commands that a student types. The current folder must be the top of the
 * repository.
 *
 * These lines of README.md have a fixed form, and stars mean the character U+2605:
 *
 *     # UPPER: the echo in capital letters
 *     Level **, a change of [ch21_event_select](...).
 *     <details><summary>Hint 1</summary>
 *     any number of lines
 *     </details>
 *
 * In README.ko.md the goal and the hints are in lines of the same form, with any word in place of
 * Hint.
 */
#ifndef EXERCISE_PAGE_H
#define EXERCISE_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct statement {
    char name[40];      /* as in its heading: UPPER */
    char goal[240];     /* the echo in capital letters */
    int level;          /* 1 to 3 */
    char chapter[100];  /* whose server is to be changed: ch21_event_select */
    int hints;          /* how many there are; the first one has the number 1 */
    char hint_word[40]; /* Hint, or what the page has in its place */
    char reason[600];   /* why it could not be read */

    /* Used by exercise_page.c only: */
    char *text;
};

/* Reads the statement of an exercise. False: the file or a part of it is missing, and reason says
 * which. In either case the caller frees it with free_statement. */
bool read_statement(struct statement *statement, const char *name);
void free_statement(struct statement *statement);

/* After read_statement: from now on the goal and the hints are those of README.ko.md, which has as
 * many. False: it cannot be read, and reason says why; they stay as they are. */
bool use_korean_page(struct statement *statement);

/* Whether the user's language in Windows is Korean. */
bool windows_is_korean(void);

/* The hint with this number, from 1 to statement->hints: *length bytes of lines, as they are on
 * the page. They live until free_statement. */
const char *hint_text(const struct statement *statement, int number, size_t *length);

/* The name of the command that the user has typed: build.bat, or the one in its place. */
const char *build_command(void);

/* Writes the command for a hint, as  build.bat hint "my server" UPPER 2,  into text, an array of
 * COMMAND_SIZE characters. Returns text. */
enum { COMMAND_SIZE = 600 };
const char *hint_command(char *text, const char *folder, const char *name, int number);

#endif
