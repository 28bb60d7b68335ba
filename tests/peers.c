/* peers.c - clients that talk to the server under test. See peers.h. */
#include "peers.h"
#include "target.h" /* most_check_ms, and the pace */

unsigned char pattern[PATTERN_SIZE];

void fill_pattern(void)
{
    unsigned long long x = 88172645463325252ull; /* xorshift64 */
    for (size_t i = 0; i < PATTERN_SIZE; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        pattern[i] = (unsigned char)(x >> 32);
    }
}

unsigned draw(unsigned *drawn, unsigned limit)
{
    *drawn = *drawn * 1664525u + 1013904223u;
    return (*drawn >> 8) % limit;
}

void close_peer(SOCKET peer)
{
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

int wait_for_socket(SOCKET peer, int wanted, DWORD milliseconds)
{
    fd_set readable, writable, broken;
    struct timeval time = {(long)(milliseconds / 1000), (long)(milliseconds % 1000 * 1000)};

    if (check_age_ms() > most_check_ms) {
        trouble(TIMED_OUT, "what does the server do for a few bytes only, or wait for each time?",
                "the check did not come to its end within %d s, although the server went on",
                most_check_ms / 1000);
        return 0;
    }
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&broken);
    if (wanted & READABLE)
        FD_SET(peer, &readable);
    if (wanted & WRITABLE) {
        FD_SET(peer, &writable);
        FD_SET(peer, &broken); /* a connect that failed */
    }
    if (select(0, &readable, &writable, &broken, &time) <= 0)
        return 0;
    return (FD_ISSET(peer, &readable) ? READABLE : 0) |
           (FD_ISSET(peer, &writable) || FD_ISSET(peer, &broken) ? WRITABLE : 0);
}

static void call_failed(const char *call, int error)
{
    char text[ERROR_TEXT_SIZE];
    trouble(FAILED, "what makes the server close this client?", "%s: %s", call,
            error_text(error, text));
}

SOCKET connect_peer(int port)
{
    struct sockaddr_in address;
    u_long yes = 1;
    SOCKET peer = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (peer == INVALID_SOCKET) {
        char text[ERROR_TEXT_SIZE];
        trouble(NO_CHANCE, "the limits of this machine", "make a socket for the check: %s",
                error_text(WSAGetLastError(), text));
        return INVALID_SOCKET;
    }
    ioctlsocket(peer, FIONBIO, &yes);
    if (connect(peer, (struct sockaddr *)&address, sizeof address) == 0)
        return peer;
    int error = WSAGetLastError();
    int size = sizeof error;
    if (error == WSAEWOULDBLOCK) {
        if (wait_for_socket(peer, WRITABLE, patience_ms) == 0)
            trouble(TIMED_OUT, "the backlog of listen, and the code that accepts",
                    "a client was not connected within %d s", patience_ms / 1000);
        else
            getsockopt(peer, SOL_SOCKET, SO_ERROR, (char *)&error, &size);
    }
    if (error == 0)
        return peer;
    if (error != WSAEWOULDBLOCK)
        call_failed("connect to the server", error);
    closesocket(peer);
    return INVALID_SOCKET;
}

/* Sends what can be sent without waiting. Returns the bytes sent, or -1 after noting trouble. */
static int send_some(SOCKET peer, const unsigned char *bytes, size_t length)
{
    int sent = send(peer, (const char *)bytes, (int)length, 0);
    if (sent != SOCKET_ERROR)
        return sent;
    int error = WSAGetLastError();
    if (error == WSAEWOULDBLOCK)
        return 0;
    call_failed("send to the server", error);
    return -1;
}

/* Notes where the first difference is. Both texts begin a little before it. */
static void wrong_byte(const unsigned char *expected, size_t same, size_t length, const char *found,
                       size_t found_length)
{
    enum { BEFORE = 8 };
    char expected_text[SHOWN_SIZE], before_text[SHOWN_SIZE], found_text[SHOWN_SIZE];
    size_t before = same < BEFORE ? same : BEFORE;
    const char *from = (const char *)expected + same - before;

    found_length = found_length < SHOWN_BYTES - before ? found_length : SHOWN_BYTES - before;
    trouble(FAILED, "what is in the buffer when it is sent, and where is a short send continued?",
            "byte %lu of %lu is wrong: from byte %lu on expected \"%s\", found \"%s%s\"",
            (unsigned long)same + 1, (unsigned long)length, (unsigned long)(same - before) + 1,
            show_bytes(expected_text, from, length - same + before),
            show_bytes(before_text, from, before), show_bytes(found_text, found, found_length));
}

int receive_some(SOCKET peer, const unsigned char *expected, size_t before, size_t length)
{
    char bytes[32 * 1024];
    int wanted = length - before < sizeof bytes ? (int)(length - before) : (int)sizeof bytes;
    int received = recv(peer, bytes, wanted, 0);
    if (received == SOCKET_ERROR) {
        int error = WSAGetLastError();
        if (error == WSAEWOULDBLOCK)
            return 0;
        call_failed("receive from the server", error);
        return -1;
    }
    if (received == 0) {
        trouble(FAILED, "which bytes are still to be sent when the client is closed?",
                "expected %lu bytes, found the end of the connection after %lu",
                (unsigned long)length, (unsigned long)before);
        return -1;
    }
    if (memcmp(bytes, expected + before, (size_t)received) != 0) {
        size_t same = 0;
        while (bytes[same] == (char)expected[before + same])
            same++;
        wrong_byte(expected, before + same, length, bytes + same, (size_t)received - same);
        return -1;
    }
    return received;
}

bool send_all(SOCKET peer, const unsigned char *bytes, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        if (wait_for_socket(peer, WRITABLE, patience_ms) == 0) {
            trouble(TIMED_OUT, "what makes the server receive again?",
                    "the server took %lu of %lu bytes, and then nothing for %d s",
                    (unsigned long)sent, (unsigned long)length, patience_ms / 1000);
            return false;
        }
        int n = send_some(peer, bytes + sent, length - sent < 65536 ? length - sent : 65536);
        if (n < 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

bool receive_exactly(SOCKET peer, const unsigned char *expected, size_t length)
{
    for (size_t received = 0; received < length;) {
        if (wait_for_socket(peer, READABLE, patience_ms) == 0) {
            trouble(TIMED_OUT, "what makes the server send again?",
                    "%lu of %lu bytes came back, and then nothing for %d s",
                    (unsigned long)received, (unsigned long)length, patience_ms / 1000);
            return false;
        }
        int n = receive_some(peer, expected, received, length);
        if (n < 0)
            return false;
        received += (size_t)n;
    }
    return true;
}

bool receive_end(SOCKET peer)
{
    char bytes[SHOWN_BYTES], text[SHOWN_SIZE];

    if (wait_for_socket(peer, READABLE, patience_ms) == 0) {
        trouble(TIMED_OUT, "what happens when recv returns 0, or FD_CLOSE comes?",
                "the server did not close the connection for %d s", patience_ms / 1000);
        return false;
    }
    int received = recv(peer, bytes, sizeof bytes, 0);
    if (received == SOCKET_ERROR)
        call_failed("receive the end of the connection from the server", WSAGetLastError());
    else if (received > 0)
        trouble(FAILED, "how many bytes are sent back?",
                "expected the end of the connection, found more bytes: \"%s\"",
                show_bytes(text, bytes, (size_t)received));
    return received == 0;
}

bool exchange(SOCKET peer, const unsigned char *bytes, size_t length, size_t piece)
{
    return exchange_for(peer, bytes, bytes, length, piece);
}

bool exchange_for(SOCKET peer, const unsigned char *bytes, const unsigned char *expected,
                  size_t length, size_t piece)
{
    size_t sent = 0, received = 0;

    while (received < length) {
        int wanted = READABLE | (sent < length ? WRITABLE : 0);
        int ready = wait_for_socket(peer, wanted, patience_ms);
        if (ready == 0) {
            trouble(TIMED_OUT, "what makes the server send, or receive, again?",
                    "%lu bytes sent, only %lu came back, and then nothing for %d s",
                    (unsigned long)sent, (unsigned long)received, patience_ms / 1000);
            return false;
        }
        if (ready & READABLE) {
            int n = receive_some(peer, expected, received, length);
            if (n < 0)
                return false;
            received += (size_t)n;
        }
        if (ready & WRITABLE) {
            int n = send_some(peer, bytes + sent, length - sent < piece ? length - sent : piece);
            if (n < 0)
                return false;
            sent += (size_t)n;
        }
    }
    return true;
}

void converse(int port, const unsigned char *bytes, size_t length, size_t piece)
{
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET)
        return;
    if (exchange(peer, bytes, length, piece)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    closesocket(peer);
}

void reset_peer(SOCKET peer)
{
    struct linger hard = {1, 0}; /* a time of 0 s: closesocket sends a reset */
    setsockopt(peer, SOL_SOCKET, SO_LINGER, (const char *)&hard, sizeof hard);
    closesocket(peer);
}

void use_small_buffers(SOCKET peer)
{
    int size = 65536;

    setsockopt(peer, SOL_SOCKET, SO_RCVBUF, (const char *)&size, sizeof size);
    setsockopt(peer, SOL_SOCKET, SO_SNDBUF, (const char *)&size, sizeof size);
}

size_t send_until_refused(SOCKET peer)
{
    size_t sent = 0;
    while (sent + 65536 <= PATTERN_SIZE &&
           wait_for_socket(peer, WRITABLE, (DWORD)at_this_pace(500)) != 0) {
        int n = send(peer, (const char *)pattern + sent, 65536, 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        if (n > 0)
            sent += (size_t)n;
    }
    return sent;
}

/* ---- several peers ------------------------------------------------------------------------- */

void connect_peers(int port, SOCKET *peers, int count)
{
    for (int i = 0; i < count; i++)
        peers[i] = in_trouble() ? INVALID_SOCKET : connect_peer(port);
}

void talk_all(int port, SOCKET *peers, int count)
{
    connect_peers(port, peers, count);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < count && !in_trouble(); i++)
            send_all(peers[i], pattern + i, 100);
        for (int i = 0; i < count && !in_trouble(); i++)
            receive_exactly(peers[i], pattern + i, 100);
    }
}

void end_peers(SOCKET *peers, int count)
{
    for (int i = 0; i < count; i++) {
        if (peers[i] != INVALID_SOCKET)
            closesocket(peers[i]);
    }
}
