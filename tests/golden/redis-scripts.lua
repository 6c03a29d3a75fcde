-- lend

local mine = 'of:' .. ARGV[4]
local missing = tonumber(ARGV[5]) - tonumber(redis.call('HGET', KEYS[1], mine) or '0')
if missing > 0 then
  redis.call('HINCRBY', KEYS[1], 'leased', string.format('%.0f', missing))
  redis.call('HSET', KEYS[1], mine, ARGV[5])
end
local behind = tonumber(redis.call('HGET', KEYS[1], 'count') or '0') < tonumber(ARGV[6])
if behind then redis.call('HSET', KEYS[1], 'count', ARGV[6]) end
local count = tostring(redis.call('HINCRBY', KEYS[1], 'count', 1))
redis.call('EXPIRE', KEYS[1], ARGV[3])
local leased = tonumber(redis.call('HGET', KEYS[1], 'leased') or '0')
local unleased = math.max(0, tonumber(ARGV[1]) - leased)
if behind then return {'0', string.format('%.0f', unleased), count, '1'} end

local amount = math.min(unleased, tonumber(ARGV[2]))
if amount > 0 then
  redis.call('HINCRBY', KEYS[1], 'leased', string.format('%.0f', amount))
  redis.call('HINCRBY', KEYS[1], mine, string.format('%.0f', amount))
end
return {string.format('%.0f', amount), string.format('%.0f', unleased - amount), count, '0'}

-- take_back

local mine = 'of:' .. ARGV[4]
local missing = tonumber(ARGV[5]) - tonumber(redis.call('HGET', KEYS[1], mine) or '0')
if missing > 0 then
  redis.call('HINCRBY', KEYS[1], 'leased', string.format('%.0f', missing))
  redis.call('HSET', KEYS[1], mine, ARGV[5])
end
local behind = tonumber(redis.call('HGET', KEYS[1], 'count') or '0') < tonumber(ARGV[6])
if behind then redis.call('HSET', KEYS[1], 'count', ARGV[6]) end
local count = tostring(redis.call('HINCRBY', KEYS[1], 'count', 1))
redis.call('EXPIRE', KEYS[1], ARGV[3])
local leased = tonumber(redis.call('HGET', KEYS[1], 'leased') or '0')
local unleased = math.max(0, tonumber(ARGV[1]) - leased)
if behind then return {'0', string.format('%.0f', unleased), count, '1'} end

leased = redis.call('HINCRBY', KEYS[1], 'leased', '-' .. ARGV[2])
redis.call('HINCRBY', KEYS[1], mine, '-' .. ARGV[2])
return {'0', string.format('%.0f', math.max(0, tonumber(ARGV[1]) - leased)), count, '0'}

-- write

if redis.call('SET', KEYS[2], '1', 'NX', 'EX', '3600') then
  for at = 2, #ARGV do redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'request', ARGV[at]) end
end
return 1

