/* narrated.c - what the exercises whose statement fixes a line are checked with. See narrated.h. */
#include "narrated.h"

#include <stdlib.h>

bool next_narrated(struct server *server, const char *call, size_t *place,
                   struct narrated *narrated)
{
    struct capture *output = &server->process.output;
    char word[40]; /* a column ends with at least two spaces, and so does the one before it */
    bool found = false;

    snprintf(word, sizeof word, "  %s  ", call);
    EnterCriticalSection(&output->lock);
    while (!found && *place < output->length) {
        const char *line = output->bytes + *place;
        const char *end = memchr(line, '\n', output->length - *place);
        if (end == NULL)
            break; /* the rest of this line is still to come */
        *place = (size_t)(end + 1 - output->bytes);
        const char *column = find_text(line, (size_t)(end - line), word);
        if (column == NULL || column == line)
            continue;
        const char *number = column;
        while (number > line && number[-1] >= '0' && number[-1] <= '9')
            number--;
        narrated->client = atoi(number);
        const char *what = column + strlen(word);
        while (what < end && *what == ' ')
            what++;
        size_t length = (size_t)(end - what);
        length = length < NARRATED_SIZE - 1 ? length : NARRATED_SIZE - 1;
        memcpy(narrated->what, what, length);
        narrated->what[length] = '\0';
        narrated->what[strcspn(narrated->what, "\r")] = '\0';
        found = number < column || column[-1] == '-';
    }
    LeaveCriticalSection(&output->lock);
    return found;
}
