/* The least an epoll client can be: what the measuring client's error is set beside.
 *
 * client HOST PORT STREAMS REQUESTS REQUEST_FILE OUT [kernel]
 *
 * Sends the bytes of REQUEST_FILE over keep-alive connections, STREAMS at a time, until REQUESTS
 * answers have come; stamps each read right after it returns, or with `kernel` takes the kernel's
 * stamp of its last byte. Only chunked answers are understood. Prints the CPU seconds that it took
 * until the last answer was there. OUT gets, for each answer: sent_ns, done_ns, reads, bytes (int64 each), then the stamps and the
 * ends (int64 each), then the raw bytes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_READS = 65536, MAX_BYTES = 8 << 20 };

struct stream {
    int fd;
    int64_t sent, reads, bytes;
    int64_t *stamps, *ends;
    char *data;
};

static int64_t read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now(void) { return read_clock(CLOCK_MONOTONIC); }

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void check(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void ask(struct stream *s, const char *request, size_t length) {
    s->reads = s->bytes = 0;
    s->sent = now();
    check(send(s->fd, request, length, 0) == (ssize_t)length, "send");
}

/* Reads once; *at becomes the kernel's stamp of the last byte, moved to the monotonic clock. */
static ssize_t read_stamped(struct stream *s, int64_t offset, int64_t *at) {
    char control[64];
    struct iovec to = {s->data + s->bytes, MAX_BYTES - s->bytes};
    struct msghdr message = {
        .msg_iov = &to, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(s->fd, &message, MSG_DONTWAIT);
    struct cmsghdr *said = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    check(got <= 0 || (said && said->cmsg_type == SCM_TIMESTAMPNS), "no kernel stamp");
    if (said) {
        struct timespec t;
        memcpy(&t, CMSG_DATA(said), sizeof t);
        *at = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - offset;
    }
    return got;
}

static void keep(FILE *out, const struct stream *s, int64_t done) {
    int64_t head[4] = {s->sent, done, s->reads, s->bytes};
    fwrite(head, sizeof head, 1, out);
    fwrite(s->stamps, sizeof(int64_t), s->reads, out);
    fwrite(s->ends, sizeof(int64_t), s->reads, out);
    fwrite(s->data, 1, s->bytes, out);
}

int main(int argc, char **argv) {
    check(argc == 7 || argc == 8, "client HOST PORT STREAMS REQUESTS REQUEST_FILE OUT [kernel]");
    int kernel = argc == 8 && strcmp(argv[7], "kernel") == 0;
    int64_t offset = read_clock(CLOCK_REALTIME) - now();
    int streams = atoi(argv[3]), left = atoi(argv[4]), open_answers = 0;
    static char request[1 << 16];
    FILE *in = fopen(argv[5], "rb"), *out = fopen(argv[6], "wb");
    check(in && out, "open");
    size_t length = fread(request, 1, sizeof request, in);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    check(inet_pton(AF_INET, argv[1], &to.sin_addr) == 1, "address");
    int epoll = epoll_create1(0), yes = 1;
    struct stream *all = calloc(streams, sizeof *all);
    for (int i = 0; i < streams; i++) {
        struct stream *s = &all[i];
        s->fd = socket(AF_INET, SOCK_STREAM, 0);
        check(connect(s->fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        check(!kernel || !setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes),
              "SO_TIMESTAMPNS");
        s->stamps = malloc(MAX_READS * sizeof(int64_t));
        s->ends = malloc(MAX_READS * sizeof(int64_t));
        s->data = malloc(MAX_BYTES);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
        check(epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event) == 0, "epoll_ctl");
    }
    for (int i = 0; i < streams && left > 0; i++, left--, open_answers++)
        ask(&all[i], request, length);
    struct epoll_event ready[256];
    while (open_answers > 0) {
        int count = epoll_wait(epoll, ready, 256, 5000);
        check(count > 0 || (count < 0 && errno == EINTR), "no answer");
        for (int i = 0; i < count; i++) {
            struct stream *s = ready[i].data.ptr;
            int64_t at = 0;
            ssize_t got =
                kernel ? read_stamped(s, offset, &at)
                       : recv(s->fd, s->data + s->bytes, MAX_BYTES - s->bytes, MSG_DONTWAIT);
            if (!kernel)
                at = now();
            check(got > 0 && s->reads < MAX_READS, "recv");
            s->bytes += got;
            s->stamps[s->reads] = at;
            s->ends[s->reads++] = s->bytes;
            if (s->bytes < 5 || memcmp(s->data + s->bytes - 5, "0\r\n\r\n", 5) != 0)
                continue;
            keep(out, s, at);
            if (left > 0) {
                left--;
                ask(s, request, length);
            } else {
                open_answers--;
            }
        }
    }
    printf("cpu_s %.6f\n", cpu_seconds());
    return fclose(out) != 0;
}
