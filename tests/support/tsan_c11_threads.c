// C11 threads by way of pthreads, for programs under ThreadSanitizer.
//
// The sanitizer follows pthread_* but not the C11 calls of the C library: a thread that librdkafka starts with
// thrd_create() is unknown to it and crashes it. Defined in the program, these functions take the place of the
// library's for every shared library that it loads.
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "a mtx_t holds a pthread_mutex_t");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "a cnd_t holds a pthread_cond_t");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "a thrd_t is a pthread_t");

struct start {
  thrd_start_t run;
  void* argument;
};

static void* run_thread(void* raw) {
  struct start start = *(struct start*)raw;
  free(raw);
  return (void*)(long)start.run(start.argument);
}

static int result_of(int error) {
  switch (error) {
    case 0:
      return thrd_success;
    case ETIMEDOUT:
      return thrd_timedout;
    case EBUSY:
      return thrd_busy;
    case ENOMEM:
      return thrd_nomem;
    default:
      return thrd_error;
  }
}

int thrd_create(thrd_t* thread, thrd_start_t run, void* argument) {
  struct start* start = malloc(sizeof(*start));
  if (start == NULL) return thrd_nomem;
  start->run = run;
  start->argument = argument;
  const int error = pthread_create(thread, NULL, run_thread, start);
  if (error != 0) free(start);
  return result_of(error);
}

int thrd_join(thrd_t thread, int* result) {
  void* value = NULL;
  const int error = pthread_join(thread, &value);
  if (result != NULL) *result = (int)(long)value;
  return result_of(error);
}

int thrd_detach(thrd_t thread) {
  return result_of(pthread_detach(thread));
}

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if (type & mtx_recursive) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  const int error = pthread_mutex_init((pthread_mutex_t*)mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return result_of(error);
}

int mtx_lock(mtx_t* mutex) {
  return result_of(pthread_mutex_lock((pthread_mutex_t*)mutex));
}
int mtx_trylock(mtx_t* mutex) {
  return result_of(pthread_mutex_trylock((pthread_mutex_t*)mutex));
}
int mtx_timedlock(mtx_t* mutex, const struct timespec* until) {
  return result_of(pthread_mutex_timedlock((pthread_mutex_t*)mutex, until));
}
int mtx_unlock(mtx_t* mutex) {
  return result_of(pthread_mutex_unlock((pthread_mutex_t*)mutex));
}
void mtx_destroy(mtx_t* mutex) {
  pthread_mutex_destroy((pthread_mutex_t*)mutex);
}

int cnd_init(cnd_t* cond) {
  return result_of(pthread_cond_init((pthread_cond_t*)cond, NULL));
}
int cnd_signal(cnd_t* cond) {
  return result_of(pthread_cond_signal((pthread_cond_t*)cond));
}
int cnd_broadcast(cnd_t* cond) {
  return result_of(pthread_cond_broadcast((pthread_cond_t*)cond));
}
int cnd_wait(cnd_t* cond, mtx_t* mutex) {
  return result_of(pthread_cond_wait((pthread_cond_t*)cond, (pthread_mutex_t*)mutex));
}
int cnd_timedwait(cnd_t* cond, mtx_t* mutex, const struct timespec* until) {
  return result_of(pthread_cond_timedwait((pthread_cond_t*)cond, (pthread_mutex_t*)mutex, until));
}
void cnd_destroy(cnd_t* cond) {
  pthread_cond_destroy((pthread_cond_t*)cond);
}
