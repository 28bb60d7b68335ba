/* narrated.c - what the exercises whose statement fixes a line are checked with. See narrated.h. */
#include "narrated.h"

#include <stdlib.h>

void messages_leak_nothing(void)
{
    enum { PEERS = 50, WARM_UP = 4, ROUNDS = 40 };
    static SOCKET peers[PEERS];
    struct server server;
    struct measurement before = {0, 0, 0}, after = {0, 0, 0};
    bool measured = true;
    if (!start_server(&server, "--quiet"))
        return;
    connect_peers(server.port, peers, PEERS);
    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        if (round == WARM_UP)
            measured = measure_server(&server, &before);
        for (int i = 0; i < PEERS && !in_trouble(); i++)
            send_all(peers[i], pattern + i, 10);
        for (int i = 0; i < PEERS && !in_trouble(); i++)
            receive_exactly(peers[i], pattern + i, 10);
    }
    measured = measured && measure_server(&server, &after);
    if (!measured)
        cannot_measure(&server);
    else if (after.memory > before.memory + 96 * 1024)
        trouble(FAILED, "what is allocated for each receive, send or event, and where is it freed?",
                "expected no more memory than before, found %llu KiB after %d messages, %llu KiB "
                "after %d",
                after.memory >> 10, PEERS * ROUNDS, before.memory >> 10, PEERS * WARM_UP);
    else if (after.handles > before.handles + 10)
        trouble(FAILED, "what is opened for each receive, send or event, and where is it closed?",
                "expected no more handles than before, found %u after %d messages, %u after %d",
                after.handles, PEERS * ROUNDS, before.handles, PEERS * WARM_UP);
    end_peers(peers, PEERS);
    stop_server(&server);
}

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

bool stop_and_keep_output(struct server *server)
{
    DWORD status = 0;

    if (!press_ctrl_c(&server->process))
        stop_server(server); /* says why */
    else if (!wait_for_exit(&server->process, (DWORD)patience_ms, &status))
        trouble(TIMED_OUT, "the stop event in the wait; what stop_serving waits for",
                "the server did not end within %d s after Ctrl+C", patience_ms / 1000);
    else if (status != 0)
        trouble(FAILED, "the end of main",
                "expected exit status 0 after Ctrl+C, found %lu (%.200s)", status,
                server->process.error.bytes);
    return !in_trouble();
}
