/*
 * Faults of a disk, for one process: loaded before libc, it makes chosen reads, writes and syncs of files below one
 * directory fail, do half of their work, do it and say otherwise, or take long. What it does is read from a shared page, so
 * that the test arms and disarms it while the process runs.
 *
 *   FAULT_PAGE      file of 16 bytes: mode, countdown, fired, delay in ms (32-bit, little-endian)
 *   FAULT_DIR       only files below it
 *   FAULT_UNMAPPED  set: LevelDB reads its tables by pread. It maps them otherwise, and what is read of a mapping is no
 *                   call: an error there is a SIGBUS, which ends the process as a SIGKILL does.
 *
 * Node writes by write and pwrite, LevelDB through buffers of stdio, whose own writes never pass by here: their
 * functions do.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#undef fread_unlocked
#undef fwrite_unlocked

enum { NONE, WRITE_FAILS, WRITE_HALF, SYNC_FAILS, SYNC_LIES, SYNC_SLOW, READ_FAILS, READ_HALF, READ_ONCE };

struct page { volatile int32_t mode, countdown, fired, delay_ms; };

static struct page *page;
static const char *directory;
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static size_t (*real_fread)(void *, size_t, size_t, FILE *);
static size_t (*real_fwrite)(const void *, size_t, size_t, FILE *);
static int (*real_fflush)(FILE *);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static void *(*real_dlopen)(const char *, int);

__attribute__((constructor)) static void begin(void) {
  real_read = dlsym(RTLD_NEXT, "read");
  real_pread = dlsym(RTLD_NEXT, "pread64");
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_fread = dlsym(RTLD_NEXT, "fread_unlocked");
  real_fwrite = dlsym(RTLD_NEXT, "fwrite_unlocked");
  real_fflush = dlsym(RTLD_NEXT, "fflush_unlocked");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_dlopen = dlsym(RTLD_NEXT, "dlopen");
  directory = getenv("FAULT_DIR");
  const char *name = getenv("FAULT_PAGE");
  int fd = name ? open(name, O_RDWR) : -1;
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) page = mapped;
}

/* Whether this call on this file is to fail: one of the first mode to the last, from the end of the countdown on. */
static int hit(int fd, int first, int last) {
  if (!page || !directory) return 0;
  int mode = page->mode;
  if (mode < first || mode > last) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  size_t below = strlen(directory);
  if (strncmp(path, directory, below) != 0 || (path[below] != '/' && path[below] != 0)) return 0;
  int left = __sync_fetch_and_sub(&page->countdown, 1);
  if (left > 0 || (mode == READ_ONCE && left < 0)) return 0;
  __sync_fetch_and_add(&page->fired, 1);
  return mode;
}

ssize_t read(int fd, void *bytes, size_t count) {
  int mode = hit(fd, READ_FAILS, READ_ONCE);
  if (mode == READ_FAILS || mode == READ_ONCE) { errno = EIO; return -1; }
  return real_read(fd, bytes, mode == READ_HALF && count > 1 ? count / 2 : count);
}

ssize_t pread64(int fd, void *bytes, size_t count, off_t offset) {
  int mode = hit(fd, READ_FAILS, READ_ONCE);
  if (mode == READ_FAILS || mode == READ_ONCE) { errno = EIO; return -1; }
  return real_pread(fd, bytes, mode == READ_HALF && count > 1 ? count / 2 : count, offset);
}

size_t fread_unlocked(void *bytes, size_t size, size_t count, FILE *file) {
  int mode = hit(fileno(file), READ_FAILS, READ_ONCE);
  if (mode == READ_FAILS || mode == READ_ONCE) { errno = EIO; return 0; }
  size_t done = real_fread(bytes, size, mode == READ_HALF && count > 1 ? count / 2 : count, file);
  /* Half of it, and then the error: the caller sees that it is not the end of the file. */
  if (mode == READ_HALF) errno = EIO;
  return done;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  int mode = hit(fd, WRITE_FAILS, WRITE_HALF);
  if (mode == WRITE_HALF && count > 1) (void)!real_write(fd, bytes, count / 2);
  if (mode) { errno = EIO; return -1; }
  return real_write(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
  int mode = hit(fd, WRITE_FAILS, WRITE_HALF);
  if (mode == WRITE_HALF && count > 1) (void)!real_pwrite(fd, bytes, count / 2, offset);
  if (mode) { errno = EIO; return -1; }
  return real_pwrite(fd, bytes, count, offset);
}

/* What is in the buffer of a file goes to the disk, so much of it as is wanted, and the rest is gone: as libc does it. */
static void drop(FILE *file, int half) {
  size_t waiting = file->_IO_write_ptr - file->_IO_write_base;
  if (half && waiting > 1) (void)!real_write(fileno(file), file->_IO_write_base, waiting / 2);
  file->_IO_write_ptr = file->_IO_write_base;
}

size_t fwrite_unlocked(const void *bytes, size_t size, size_t count, FILE *file) {
  int mode = hit(fileno(file), WRITE_FAILS, WRITE_HALF);
  if (!mode) return real_fwrite(bytes, size, count, file);
  size_t done = mode == WRITE_HALF ? real_fwrite(bytes, size, count / 2, file) : 0;
  real_fflush(file);
  errno = EIO;
  return done;
}

int fflush_unlocked(FILE *file) {
  int mode = hit(fileno(file), WRITE_FAILS, WRITE_HALF);
  if (!mode) return real_fflush(file);
  drop(file, mode == WRITE_HALF);
  errno = EIO;
  return EOF;
}

static int synced(int fd, int (*real)(int)) {
  if (page && page->mode == SYNC_SLOW && hit(fd, SYNC_SLOW, SYNC_SLOW)) usleep((useconds_t)page->delay_ms * 1000);
  int mode = hit(fd, SYNC_FAILS, SYNC_LIES);
  if (mode == SYNC_LIES) (void)!real(fd);
  if (mode) { errno = EIO; return -1; }
  return real(fd);
}

int fdatasync(int fd) { return synced(fd, real_fdatasync); }
int fsync(int fd) { return synced(fd, real_fsync); }

/* The addon with LevelDB in it has a switch for its own tests, which counts until the first database is opened. */
void *dlopen(const char *name, int flags) {
  void *handle = real_dlopen(name, flags);
  void (*limit_mappings)(int) = NULL;
  if (handle && name && getenv("FAULT_UNMAPPED"))
    *(void **)&limit_mappings = dlsym(handle, "_ZN7leveldb18EnvPosixTestHelper20SetReadOnlyMMapLimitEi");
  if (limit_mappings) limit_mappings(0);
  return handle;
}
