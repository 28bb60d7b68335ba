/* UPPER.c - the checks of the exercise UPPER. */
#include "../../../tests/exercise_checks.h"

enum { UPPER_SIZE = 1024 * 1024 };
static unsigned char capitals[UPPER_SIZE];

/* Sends the bytes; they must come back with capitals, and then the end. */
static void expect_capitals(int port, const unsigned char *bytes, size_t length, size_t piece)
{
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET)
        return;
    for (size_t i = 0; i < length; i++) {
        bool small = bytes[i] >= 'a' && bytes[i] <= 'z';
        capitals[i] = small ? (unsigned char)(bytes[i] - 'a' + 'A') : bytes[i];
    }
    if (exchange_for(peer, bytes, capitals, length, piece)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    closesocket(peer);
}

static void upper_letters(struct server *server)
{
    static const unsigned char text[] = "hello, world\r\nabcdefghijklmnopqrstuvwxyz\n";
    expect_capitals(server->port, text, sizeof text - 1, sizeof text);
}

static void upper_others(struct server *server)
{
    unsigned char bytes[256];
    size_t length = 0;
    for (int c = 0; c < 256; c++) {
        if (c < 'a' || c > 'z')
            bytes[length++] = (unsigned char)c;
    }
    expect_capitals(server->port, bytes, length, length);
}

static void upper_drip(struct server *server)
{
    expect_capitals(server->port, pattern, 300, 1);
}

static void upper_1_mib(struct server *server)
{
    expect_capitals(server->port, pattern, UPPER_SIZE, 100000);
}

static const struct check upper_checks[] = {
    {.name = "small letters come back as capitals", .talk = upper_letters, .options = "--quiet"},
    {.name = "all other bytes come back as they are", .talk = upper_others, .options = "--quiet"},
    {.name = "a drip of single bytes", .talk = upper_drip, .options = "--quiet"},
    {.name = "1 MiB of any bytes", .talk = upper_1_mib, .options = "--quiet"},
    {0},
};

const struct exercise UPPER = {
    .name = "UPPER",
    .options = "",
    .checks = upper_checks,
};
