/* service.c - clients of an exercise whose service is an echo and a little more. See service.h. */
#include "service.h"

const unsigned char *service_bytes(const struct service *service)
{
    return service->bytes != NULL ? service->bytes() : pattern;
}

size_t service_units(const struct service *service, size_t length)
{
    size_t unit = service->unit > 1 ? service->unit : 1;
    return (length + unit - 1) / unit * unit;
}

bool service_receive_end(SOCKET peer, const struct service *service, size_t echoed)
{
    return service->ends != NULL ? service->ends(peer, echoed) : receive_end(peer);
}

SOCKET service_connect(int port, const struct service *service)
{
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET || service->opens == NULL || service->opens(peer))
        return peer;
    closesocket(peer);
    return INVALID_SOCKET;
}

size_t service_visit(int port, const struct service *service, size_t length, size_t piece)
{
    SOCKET peer = service_connect(port, service);
    size_t whole = service_units(service, length);
    bool good = peer != INVALID_SOCKET && exchange(peer, service_bytes(service), whole, piece) &&
                shutdown(peer, SD_SEND) == 0 && service_receive_end(peer, service, whole);
    close_peer(peer);
    return good ? whole : 0;
}

size_t service_long_visit(int port, const struct service *service)
{
    enum { PIECE = 1024 * 1024, MOST_MS = 75000 };
    static char found[PIECE];
    const unsigned char *bytes = service_bytes(service);
    const size_t cycle = SERVICE_SIZE - SERVICE_SIZE % service_units(service, 1);
    const size_t length = service_units(service, ((size_t)1 << 31) + FIRST_LENGTH);
    const double end = now_ms() + MOST_MS;
    size_t sent = 0, received = 0;
    SOCKET peer = service_connect(port, service);

    while (peer != INVALID_SOCKET && received < length && !in_trouble()) {
        size_t left = cycle - sent % cycle;
        left = left < length - sent ? left : length - sent;
        int n = left == 0 ? 0
                          : send(peer, (const char *)bytes + sent % cycle,
                                 left < PIECE ? (int)left : PIECE, 0);
        sent += n > 0 ? (size_t)n : 0;
        left = cycle - received % cycle;
        left = left < length - received ? left : length - received;
        n = recv(peer, found, left < PIECE ? (int)left : PIECE, 0);
        if (n > 0 && memcmp(found, bytes + received % cycle, (size_t)n) != 0)
            trouble(FAILED, "what is in the buffer when it is sent?",
                    "a client sent much: expected its bytes, found others in the %d after the "
                    "first %lu",
                    n, (unsigned long)received);
        else if (n == 0 || (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK))
            trouble(FAILED, "what has only 31 bits?",
                    "a client sent %lu bytes: expected them back, found the end of the connection "
                    "after %lu",
                    (unsigned long)sent, (unsigned long)received);
        else if (n == SOCKET_ERROR && wait_for_socket(peer, READABLE, (DWORD)patience_ms) == 0)
            trouble(TIMED_OUT, "what has only 31 bits?",
                    "%lu bytes sent, only %lu came back, and then nothing for %d s",
                    (unsigned long)sent, (unsigned long)received, patience_ms / 1000);
        else if (now_ms() > end)
            trouble(SKIPPED, "", "2 GiB take more than %d s here", MOST_MS / 1000);
        received += n > 0 ? (size_t)n : 0;
    }
    bool good = peer != INVALID_SOCKET && !in_trouble() && shutdown(peer, SD_SEND) == 0 &&
                service_receive_end(peer, service, length);
    close_peer(peer);
    return good ? length : 0;
}

double service_shortest_visit(int port, const struct service *service, double enough_ms)
{
    enum { TRIES = 3, LENGTH = 65536 };
    double shortest = 0;

    for (int i = 0; i < TRIES && (i == 0 || shortest > enough_ms) && !in_trouble(); i++) {
        double begun = now_ms();
        service_visit(port, service, LENGTH, LENGTH);
        double time = now_ms() - begun;
        shortest = i == 0 || time < shortest ? time : shortest;
    }
    return shortest;
}

size_t service_fill(SOCKET peer, const unsigned char *bytes, size_t most)
{
    size_t sent = 0;

    use_small_buffers(peer);
    while (sent < most && wait_for_socket(peer, WRITABLE, 400) != 0) {
        size_t piece = most - sent < 65536 ? most - sent : 65536;
        int n = send(peer, (const char *)bytes + sent, (int)piece, 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    return sent;
}

void service_leave(int port, const struct service *service, int way)
{
    const unsigned char *bytes = service_bytes(service);
    SOCKET peer = connect_peer(port);

    if (peer == INVALID_SOCKET)
        return;
    if (way % 4 != 0)
        send(peer, (const char *)bytes, way % 3 == 0 ? 2 : SOME_BYTES, 0);
    if (way % 2 == 0)
        shutdown(peer, SD_SEND);
    if (way % 4 == 3)
        reset_peer(peer);
    else
        closesocket(peer);
}
