/* DUPLEX.c - the checks of the exercise DUPLEX. */
#include "../../../tests/exercise_checks.h"

/* The peer does not read, so the last send stays pending. Who receives beside it has received once
 * more than sent. */
static void duplex_receives_ahead(struct server *server)
{
    SOCKET peer = connect_peer(server->port);
    if (peer != INVALID_SOCKET) {
        send_until_refused(peer);
        int received = count_text(server, " bytes received");
        int sends = count_text(server, "  WSASend  ");
        if (received == 0 || sends == 0)
            trouble(FAILED, "the words of the narration",
                    "expected lines with \"WSASend\" and \"bytes received\", found %d and %d of "
                    "them",
                    sends, received);
        else if (received <= sends)
            trouble(FAILED, "when does the next WSARecv begin?",
                    "expected that one more receive than sends is complete while the last send is "
                    "pending, found %d receives and %d sends",
                    received, sends);
        else if (received > sends + 1)
            trouble(FAILED, "what is received while the last send is pending must be kept",
                    "expected one more receive than sends, found %d receives and %d sends",
                    received, sends);
        closesocket(peer);
    }
}

static const struct check duplex_checks[] = {
    {.name = "the next receive completes beside a pending send",
     .talk = duplex_receives_ahead,
     .options = "",
     .plain_only = true},
    {.name = "300 clients leak nothing", .run = echo_leaks_nothing},
    {0},
};

const struct exercise DUPLEX = {
    .name = "DUPLEX",
    .options = "",
    .checks = duplex_checks,
    .reused = {"echoes 16 MiB", "half-close", "bytes and end", "50 resets", "never reads",
               "reads late", "Ctrl+C"},
};
