/* An ordered set of INTIDs: a bit each, a bit for each word of those that is not 0, and a bit for each word of these.

   So the lowest member is three steps away however many INTIDs there are; up to 4,096 of them the second level is one
   word, and there is no third. Beyond 262,144 the third has several words, which are walked. */
#ifndef IRQFRAME_BITS_INDEX_H
#define IRQFRAME_BITS_INDEX_H

#include "bits.h"

typedef struct {
    uint32_t low, middle, top; /* words of each level; they follow one another */
    uint64_t words[];
} Index;

static inline size_t index_bytes(size_t size)
{
    size_t low = (size + 63) / 64, middle = (low + 63) / 64, top = middle > 1 ? (middle + 63) / 64 : 0;
    return sizeof(Index) + (low + middle + top) * sizeof(uint64_t);
}

/* NULL without memory. Needs no GIL. */
static inline Index *index_new(size_t size)
{
    Index *index = calloc(1, index_bytes(size));
    if (index) {
        index->low = (uint32_t)((size + 63) / 64);
        index->middle = (index->low + 63) / 64;
        index->top = index->middle > 1 ? (index->middle + 63) / 64 : 0;
    }
    return index;
}

static inline void index_forget(Index *index)
{
    for (size_t at = 0; at < (size_t)index->low + index->middle + index->top; at++)
        index->words[at] = 0;
}

static inline void index_add(Index *index, size_t intid)
{
    size_t low = intid >> 6, middle = intid >> 12;
    uint64_t *word = &index->words[low];
    uint64_t before = *word;
    BITS_ASSERT(low < index->low && !(before & bit_of(intid)));
    *word = before | bit_of(intid);
    if (before)
        return;
    word = &index->words[index->low + middle];
    before = *word;
    *word = before | bit_of(low);
    if (!before && index->top)
        index->words[index->low + index->middle + (intid >> 18)] |= bit_of(middle);
}

static inline void index_remove(Index *index, size_t intid)
{
    size_t low = intid >> 6, middle = intid >> 12;
    uint64_t *word = &index->words[low];
    BITS_ASSERT(low < index->low && (*word & bit_of(intid)));
    if (*word &= ~bit_of(intid))
        return;
    word = &index->words[index->low + middle];
    if ((*word &= ~bit_of(low)) || !index->top)
        return;
    index->words[index->low + index->middle + (intid >> 18)] &= ~bit_of(middle);
}

static inline bool index_is_empty(const Index *index)
{
    const uint64_t *word = &index->words[index->low + (index->top ? index->middle : 0)];
    for (size_t left = index->top ? index->top : index->middle; left; left--)
        if (*word++)
            return false;
    return true;
}

/* The lowest member of a set that has one. */
static inline size_t index_first(const Index *index)
{
    size_t middle = 0;
    if (index->top) {
        const uint64_t *top = &index->words[index->low + index->middle];
        size_t at = 0;
        while (!top[at]) {
            at++;
            BITS_ASSERT(at < index->top);
        }
        middle = at << 6 | (size_t)__builtin_ctzll(top[at]);
    }
    BITS_ASSERT(index->words[index->low + middle]);
    size_t low = middle << 6 | (size_t)__builtin_ctzll(index->words[index->low + middle]);
    return low << 6 | (size_t)__builtin_ctzll(index->words[low]);
}

#endif
