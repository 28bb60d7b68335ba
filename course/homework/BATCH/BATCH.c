/* BATCH.c - the checks of the exercise BATCH. */
#include "../../../tests/exercise_checks.h"

#include <stdlib.h>

enum { BATCH_PEERS = 100 };
static const char one_packet[] = "  GetQueuedCompletionStatus  ";
static const char packets[] = "  GetQueuedCompletionStatusEx  ";

/* Keeps the clients talking until the narration shows what is looked for. */
static void batch_takes_several(struct server *server)
{
    static SOCKET peers[BATCH_PEERS];
    int most = 0;
    talk_all(server->port, peers, BATCH_PEERS);
    for (int round = 0; round < 10 && most < 2 && !in_trouble(); round++) {
        for (int i = 0; i < BATCH_PEERS && !in_trouble(); i++)
            send_all(peers[i], pattern, 100);
        for (int i = 0; i < BATCH_PEERS && !in_trouble(); i++)
            receive_exactly(peers[i], pattern, 100);
        EnterCriticalSection(&server->process.output.lock);
        const struct capture *output = &server->process.output;
        const char *line = output->bytes, *all = output->bytes + output->length;
        while ((line = find_text(line, (size_t)(all - line), packets)) != NULL) {
            line += strlen(packets);
            int number = atoi(line);
            most = number > most ? number : most;
        }
        LeaveCriticalSection(&server->process.output.lock);
    }
    int singles = count_text(server, one_packet);
    if (!in_trouble() && singles > 0)
        trouble(FAILED, "take_packet: who still calls the function without Ex?",
                "expected no narration of GetQueuedCompletionStatus, found %d lines", singles);
    else if (!in_trouble() && most < 2)
        trouble(FAILED, "how many entries may one call fill, and are they all served?",
                "expected a line such as \"GetQueuedCompletionStatusEx  5 packets\", found %s",
                count_text(server, packets) == 0 ? "none" : "never more than 1");
    end_peers(peers, BATCH_PEERS);
}

/* One call may take the stop packets of several workers. */
static void batch_stop(void)
{
    enum { TIMES = 6 };
    static SOCKET peers[BATCH_PEERS];
    struct server server;
    for (int i = 0; i < TIMES && !in_trouble(); i++) {
        if (!start_server(&server, i == 0 ? "" : "--quiet"))
            return;
        talk_all(server.port, peers, BATCH_PEERS);
        for (int j = 0; j < BATCH_PEERS && !in_trouble(); j += 2)
            send_all(peers[j], pattern, 1000);
        if (i == 0 && count_text(&server, packets) == 0)
            trouble(FAILED, "take_packet", "expected narration of GetQueuedCompletionStatusEx");
        stop_server(&server);
        end_peers(peers, BATCH_PEERS);
    }
}

static const struct check batch_checks[] = {
    {.name = "one call takes several packets", .talk = batch_takes_several, .options = ""},
    {.name = "Ctrl+C ends every worker", .run = batch_stop},
    {.name = "300 clients leak nothing", .run = echo_leaks_nothing},
    {0},
};

const struct exercise BATCH = {
    .name = "BATCH",
    .options = "--threads 4",
    .checks = batch_checks,
    .reused = {"half-close", "50 resets", "Ctrl+C"},
};
