/* load.c - what a load of messages consists of, and what is measured of it. See common.h. */
#include "common.h"

#include <stdlib.h>

/* The bytes repeat after a prime number of them, so that neither the messages of a connection nor
 * two connections begin alike. */
enum { PERIOD = 65521, CONNECTIONS_APART = 7919 };

static char *content;

void make_load_content(int longest)
{
    content = malloc((size_t)PERIOD + (size_t)longest);
    if (content == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for messages");
    unsigned random = 2463534242u;
    for (int i = 0; i < PERIOD + longest; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        content[i] = i < PERIOD ? (char)(random >> 24) : content[i - PERIOD];
    }
}

const char *load_content(int connection, long long position)
{
    return content + ((long long)connection * CONNECTIONS_APART + position) % PERIOD;
}

long long now_microseconds(void)
{
    LARGE_INTEGER now, a_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&a_second);
    return now.QuadPart / a_second.QuadPart * 1000000 +
           now.QuadPart % a_second.QuadPart * 1000000 / a_second.QuadPart;
}

/* A class for each microsecond up to 127, then for every two up to 255, every four up to 511 ...:
 * so a latency is known to within 2 %, and any number of messages needs the same memory. */
static int class_of(long long microseconds)
{
    int doublings = 0;
    while (microseconds > 127) {
        microseconds /= 2;
        doublings++;
    }
    return doublings * 64 + (int)microseconds;
}

static long long longest_of_class(int latency_class)
{
    int doublings = latency_class < 128 ? 0 : latency_class / 64 - 1;
    return ((latency_class - doublings * 64 + 1LL) << doublings) - 1;
}

void add_latency(struct load_result *result, long long microseconds)
{
    result->messages++;
    result->latencies[class_of(microseconds)]++;
    if (microseconds > result->longest_latency)
        result->longest_latency = microseconds;
}

/* So many milliseconds, at most, took the given part of the messages. */
static double latency(const struct load_result *result, double part)
{
    double wanted = part * (double)result->messages;
    long long messages = 0;
    int latency_class = -1;
    while (messages == 0 || (double)messages < wanted)
        messages += result->latencies[++latency_class];
    long long longest = longest_of_class(latency_class);
    return (double)min(longest, result->longest_latency) / 1000;
}

static double seconds_of(const struct load_result *result)
{
    return result->microseconds > 0 ? (double)result->microseconds / 1e6 : 1e-6;
}

void print_load_progress(const struct load_result *result, int open)
{
    static int seconds_told;
    static long long messages_told;
    static long long bytes_told;
    DWORD mode;
    int seconds = (int)(result->microseconds / 1000000);

    if (seconds == seconds_told || !GetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), &mode))
        return;
    int since = seconds - seconds_told;
    printf("%5d s  %8lld messages/s  %8.2f MB/s  %5d connections open, %d lost\n", seconds,
           (result->messages - messages_told) / since,
           (double)(result->bytes - bytes_told) / 1e6 / since, open, result->lost);
    fflush(stdout);
    seconds_told = seconds;
    messages_told = result->messages;
    bytes_told = result->bytes;
}

void print_load_result(const struct load_result *result)
{
    double seconds = seconds_of(result);
    printf("%d connections, %lld messages, %lld bytes in %.3f s; %d lost\n", result->connections,
           result->messages, result->bytes, seconds, result->lost);
    printf("%.0f messages/s, %.2f MB/s\n", (double)result->messages / seconds,
           (double)result->bytes / 1e6 / seconds);
    if (result->messages > 0)
        printf("latency: p50 %.3f ms, p99 %.3f ms, max %.3f ms\n", latency(result, 0.50),
               latency(result, 0.99), (double)result->longest_latency / 1000);
    fflush(stdout);
}
