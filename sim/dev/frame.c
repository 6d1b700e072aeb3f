/* Headers of a frame as bytes, in network order (vx_frame.h). */
#include "vx_frame.h"

#include <string.h>

enum {
    IP = 14,
    TCP = IP + 20,
    OPTIONS = TCP + 20,
    FIRST_PORT = 1024,
    PEER_PORT = 5001,
    FLAG_PUSH = 0x08,
    FLAG_ACK = 0x10,
    OPTION_SACK = 5,
    PEER_STATION = 0xFFFF
};

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xFFFF);
}

static unsigned get16(const uint8_t *at) { return (unsigned)at[0] << 8 | at[1]; }
static uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }

/* 02:00:00:00:ss:ss; 10.0.s.s. */
static void put_station(uint8_t *mac, uint8_t *address, unsigned station)
{
    mac[0] = 0x02;
    put16(mac + 4, station);
    address[0] = 10;
    put16(address + 2, station);
}

void vx_frame_write(const vx_frame *frame, uint8_t bytes[VX_FRAME_HEADERS])
{
    unsigned to = frame->to_peer ? PEER_STATION : frame->station, from = frame->to_peer ? frame->station : PEER_STATION;
    unsigned port = FIRST_PORT + (unsigned)frame->flow;
    memset(bytes, 0, VX_FRAME_HEADERS);
    put_station(bytes, bytes + IP + 16, to);
    put_station(bytes + 6, bytes + IP + 12, from);
    put16(bytes + 12, 0x0800);
    bytes[IP] = 0x45;
    put16(bytes + IP + 2, VX_FRAME_HEADERS - IP + (unsigned)frame->bytes);
    bytes[IP + 8] = 64; /* time to live */
    bytes[IP + 9] = 6;  /* TCP */
    put16(bytes + TCP, frame->to_peer ? port : PEER_PORT);
    put16(bytes + TCP + 2, frame->to_peer ? PEER_PORT : port);
    put32(bytes + TCP + 4, frame->sequence);
    put32(bytes + TCP + 8, frame->ack);
    bytes[TCP + 12] = (20 + 12) / 4 << 4;
    bytes[TCP + 13] = FLAG_ACK | (frame->push ? FLAG_PUSH : 0);
    bytes[OPTIONS] = bytes[OPTIONS + 1] = 1; /* no operation */
    bytes[OPTIONS + 2] = OPTION_SACK;
    bytes[OPTIONS + 3] = 10;
    put32(bytes + OPTIONS + 4, frame->beyond);
    put32(bytes + OPTIONS + 8, frame->beyond + (frame->beyond != frame->ack));
}

bool vx_frame_read(vx_frame *frame, const uint8_t bytes[VX_FRAME_HEADERS])
{
    unsigned to = get16(bytes + 4), length = get16(bytes + IP + 2);
    bool to_peer = to == PEER_STATION;
    unsigned port = get16(bytes + TCP + (to_peer ? 0 : 2));
    if (get16(bytes + 12) != 0x0800 || bytes[IP] != 0x45 || bytes[IP + 9] != 6 || bytes[OPTIONS + 2] != OPTION_SACK ||
        length < VX_FRAME_HEADERS - IP || port < FIRST_PORT)
        return false;
    *frame = (vx_frame){.station = (uint16_t)(to_peer ? get16(bytes + 10) : to),
                        .flow = (uint16_t)(port - FIRST_PORT),
                        .bytes = (uint16_t)(length - (VX_FRAME_HEADERS - IP)),
                        .to_peer = to_peer,
                        .push = (bytes[TCP + 13] & FLAG_PUSH) != 0,
                        .sequence = get32(bytes + TCP + 4),
                        .ack = get32(bytes + TCP + 8),
                        .beyond = get32(bytes + OPTIONS + 4)};
    return true;
}
