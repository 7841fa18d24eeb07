/* Log what a process writes below a folder, and what it synchronises (preloaded by power_cuts.py),
   or have the disk be full from some write on (full_disk.py).

   DISK_LOG_ROOT is the folder, DISK_LOG the file that is appended to, if any. A record is an operation (a
   letter), inode, offset and length of the data, the lengths of a path and of the data that follow,
   all as 64 bits but for the letter: W (write), T (truncate to offset), S (sync), C (create), R (rename: the
   data is the new path), U (unlink). Calls are passed on; what they return is returned.

   disk_full_after(N) lets N more writes through; each later one fails with ENOSPC. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;
static const char *root;
static long left = -1; /* writes until the disk is full; never if negative */
static int failed;     /* whether it has been */

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int below(const char *path) {
    if (!root) root = getenv("DISK_LOG_ROOT");
    return root && !strncmp(path, root, strlen(root)) && path[strlen(root)] == '/';
}

static void put(const void *data, size_t length) {
    for (const char *at = data; length;) {
        ssize_t done = REAL(write)(log_file, at, length);
        if (done < 0) abort();
        at += done, length -= done;
    }
}

static void note(char what, uint64_t inode, uint64_t offset, const char *path, const void *data,
                 uint64_t length) {
    if (!getenv("DISK_LOG")) return;
    uint64_t head[5] = {inode, offset, strlen(path), length, 0};
    pthread_mutex_lock(&lock);
    if (log_file < 0)
        log_file = REAL(open)(getenv("DISK_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log_file < 0) abort();
    put(&what, 1), put(head, 32), put(path, head[2]), put(data, length);
    pthread_mutex_unlock(&lock);
}

/* Tell whether a descriptor is of a file below the folder; get its path and inode. */
static int known(int descriptor, char *path, uint64_t *inode) {
    char link[64];
    struct stat about;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!below(path) && (!root || strcmp(path, root))) return 0;
    if (fstat(descriptor, &about)) return 0;
    *inode = about.st_ino;
    return 1;
}

void disk_full_after(long writes) { left = writes, failed = 0; }
int disk_was_full(void) { return failed; }

/* Tell whether a write to a file below the folder finds no space; count it if it does. */
static int full(int descriptor) {
    char path[PATH_MAX];
    uint64_t inode;
    if (left < 0 || !known(descriptor, path, &inode)) return 0;
    if (left) return left--, 0;
    failed = 1, errno = ENOSPC;
    return 1;
}

int statvfs64(const char *path, struct statvfs64 *about) {
    int code = REAL(statvfs64)(path, about);
    if (!code && !left && below(path)) about->f_bavail = about->f_bfree = 0;
    return code;
}

static void wrote(int descriptor, uint64_t offset, const void *data, ssize_t length) {
    char path[PATH_MAX];
    uint64_t inode;
    if (length > 0 && known(descriptor, path, &inode)) note('W', inode, offset, path, data, length);
}

ssize_t write(int descriptor, const void *data, size_t length) {
    if (full(descriptor)) return -1;
    off_t at = lseek(descriptor, 0, SEEK_CUR);
    if (fcntl(descriptor, F_GETFL) & O_APPEND) at = lseek(descriptor, 0, SEEK_END);
    ssize_t done = REAL(write)(descriptor, data, length);
    if (at >= 0) wrote(descriptor, at, data, done);
    return done;
}

#define PWRITE(name, offset_type)                                                        \
    ssize_t name(int descriptor, const void *data, size_t length, offset_type offset) { \
        if (full(descriptor)) return -1;                                                 \
        ssize_t done = REAL(name)(descriptor, data, length, offset);                     \
        wrote(descriptor, offset, data, done);                                           \
        return done;                                                                     \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, offset_type)                                               \
    int name(int descriptor, offset_type length) {                                \
        char path[PATH_MAX];                                                      \
        uint64_t inode;                                                           \
        struct stat about;                                                        \
        if (!fstat(descriptor, &about) && about.st_size < length && full(descriptor)) return -1; \
        int code = REAL(name)(descriptor, length);                                \
        if (!code && known(descriptor, path, &inode)) note('T', inode, length, path, "", 0); \
        return code;                                                              \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                                \
    int name(int descriptor) {                                                    \
        char path[PATH_MAX];                                                      \
        uint64_t inode;                                                           \
        int code = REAL(name)(descriptor);                                        \
        if (!code && known(descriptor, path, &inode)) note('S', inode, 0, path, "", 0); \
        return code;                                                              \
    }
SYNC(fsync)
SYNC(fdatasync)

#define OPEN(name)                                                                \
    int name(const char *path, int flags, ...) {                                  \
        mode_t mode = 0;                                                          \
        if (flags & (O_CREAT | O_TMPFILE)) {                                      \
            va_list rest;                                                         \
            va_start(rest, flags);                                                \
            mode = va_arg(rest, mode_t);                                          \
            va_end(rest);                                                         \
        }                                                                         \
        int is_new = (flags & O_CREAT) && below(path) && access(path, F_OK);      \
        int emptied = (flags & O_TRUNC) && below(path) && !is_new;                \
        int descriptor = REAL(name)(path, flags, mode);                           \
        char real[PATH_MAX];                                                      \
        uint64_t inode;                                                           \
        if (descriptor >= 0 && (is_new || emptied) && known(descriptor, real, &inode)) \
            note(is_new ? 'C' : 'T', inode, 0, real, "", 0);                      \
        return descriptor;                                                        \
    }
OPEN(open)
OPEN(open64)

int rename(const char *from, const char *to) {
    int code = REAL(rename)(from, to);
    if (!code && below(from)) note('R', 0, 0, from, to, strlen(to));
    return code;
}

int unlink(const char *path) {
    int code = REAL(unlink)(path);
    if (!code && below(path)) note('U', 0, 0, path, "", 0);
    return code;
}
