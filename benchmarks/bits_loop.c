/* What a replay is measured against: the same records and the same three levels of bitmaps, and nothing else.

   No field of a record is checked, nothing is counted, and there is one order of delivery. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 32 }; /* 2,048 INTIDs */

typedef struct {
    uint64_t pending[WORDS], masked[WORDS], ready[WORDS], summary;
} Target;

static void update(Target *target, uint32_t at, uint64_t bit)
{
    if (target->pending[at] & ~target->masked[at] & bit)
        target->ready[at] |= bit;
    else
        target->ready[at] &= ~bit;
    if (target->ready[at])
        target->summary |= (uint64_t)1 << at;
    else
        target->summary &= ~((uint64_t)1 << at);
}

static int32_t acknowledge(Target *target)
{
    if (!target->summary)
        return -1;
    uint32_t at = (uint32_t)__builtin_ctzll(target->summary);
    uint32_t n = (uint32_t)__builtin_ctzll(target->ready[at]);
    target->pending[at] &= ~((uint64_t)1 << n);
    target->masked[at] |= (uint64_t)1 << n;
    update(target, at, (uint64_t)1 << n);
    return (int32_t)(at << 6 | n);
}

Target *make(size_t targets)
{
    return calloc(targets, sizeof(Target));
}

void replay(Target *targets, const uint8_t *records, size_t count, int32_t *out)
{
    for (size_t each = 0; each < count; each++, records += 8) {
        uint16_t vcpu;
        uint32_t intid;
        memcpy(&vcpu, records + 2, sizeof vcpu);
        memcpy(&intid, records + 4, sizeof intid);
        Target *target = &targets[vcpu];
        uint32_t at = intid >> 6;
        uint64_t bit = (uint64_t)1 << (intid & 63);
        int32_t result = 0;
        switch (records[0]) {
        case 0:
            result = !(target->pending[at] & bit);
            target->pending[at] |= bit;
            update(target, at, bit);
            break;
        case 1:
            result = acknowledge(target);
            break;
        case 2:
            result = target->masked[at] & bit ? 2 : 0;
            target->masked[at] &= ~bit;
            update(target, at, bit);
            break;
        }
        out[each] = result;
    }
}
