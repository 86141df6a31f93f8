-- pipe16.lua - sixteen requests in each write.
local batch

function init(args)
    batch = string.rep(wrk.format(), 16)
end

function request()
    return batch
end
