/* GREETING.c - the checks of the exercise GREETING. */
#include "../../../tests/exercise_checks.h"

/* Connects; the greeting must come without a word. */
static SOCKET connect_and_be_greeted(int port, int number)
{
    char greeting[40];
    SOCKET peer = connect_peer(port);
    snprintf(greeting, sizeof greeting, "welcome, client %d\r\n", number);
    if (peer != INVALID_SOCKET)
        receive_text(peer, greeting);
    return peer;
}

static void greeting_first(struct server *server)
{
    SOCKET peers[3];
    for (int i = 0; i < 3; i++)
        peers[i] = in_trouble() ? INVALID_SOCKET : connect_and_be_greeted(server->port, i + 1);
    for (int i = 0; i < 3 && !in_trouble(); i++)
        receive_nothing(peers[i], 50, "how often is it sent?", "each client is greeted once");
    end_peers(peers, 3);
}

static void visit_greeted(int port, int number)
{
    SOCKET peer = connect_and_be_greeted(port, number);
    if (peer == INVALID_SOCKET)
        return;
    if (!in_trouble() && exchange(peer, pattern, 1000, 1000)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    closesocket(peer);
}

static void greeting_then_echo(struct server *server)
{
    SOCKET peer = connect_and_be_greeted(server->port, 1);
    if (peer != INVALID_SOCKET && !in_trouble() && exchange(peer, pattern, 1024 * 1024, 100000)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void greeting_after_a_word(struct server *server)
{
    SOCKET peer = connect_peer(server->port);
    if (send_text(peer, "I speak first\n")) {
        shutdown(peer, SD_SEND);
        if (receive_text(peer, "welcome, client 1\r\nI speak first\n"))
            receive_end(peer);
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void greeting_to_nobody(struct server *server)
{
    for (int i = 0; i < 30 && !in_trouble(); i++) {
        SOCKET peer = connect_peer(server->port);
        if (peer != INVALID_SOCKET)
            reset_peer(peer);
    }
    SOCKET peer = connect_peer(server->port);
    if (send_text(peer, "hello\n")) {
        char words[20];
        if (receive_text(peer, "welcome, client ") &&
            wait_for_socket(peer, READABLE, (DWORD)patience_ms) != 0) {
            int received = recv(peer, words, sizeof words, MSG_PEEK);
            for (int i = 0; i < received && words[i] >= '0' && words[i] <= '9'; i++)
                receive_exactly(peer, (const unsigned char *)&words[i], 1);
            receive_text(peer, "\r\nhello\n");
        }
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void greeting_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_greeted);
}

static const struct check greeting_checks[] = {
    {.name = "each client is greeted, with its number",
     .talk = greeting_first,
     .options = "--quiet"},
    {.name = "after the greeting everything is echoed",
     .talk = greeting_then_echo,
     .options = "--quiet"},
    {.name = "a client that speaks first is greeted all the same",
     .talk = greeting_after_a_word,
     .options = "--quiet"},
    {.name = "clients that go at once do no harm",
     .talk = greeting_to_nobody,
     .options = "--quiet"},
    {.name = "300 clients leak nothing", .run = greeting_leaks_nothing},
    {0},
};

const struct exercise GREETING = {
    .name = "GREETING",
    .options = "",
    .checks = greeting_checks,
};
