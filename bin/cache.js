'use strict'

/**
 * Where Node stores compiled code between two starts. Node runs what it finds there without checking owner or content, and its
 * default is a folder in /tmp that any user may create first. So this is the user's own cache folder, used only if no other
 * user can write there or replace it; otherwise nothing is stored.
 */
var fs = require('fs')
var path = require('path')

exports.enable = function () {
  var folder = cacheFolder()
  if (folder === undefined) return
  // Node creates a folder of its own in there.
  var before = process.umask(63)
  require('module').enableCompileCache(folder)
  process.umask(before)
}

/** Undefined if there is none that only this user can change. */
function cacheFolder() {
  var user = process.geteuid ? process.geteuid() : undefined
  try {
    var base = baseFolder(user)
    if (base === undefined) return undefined
    var folder = path.join(base, 'busline')
    make(folder)
    var stat = fs.lstatSync(folder)
    var isPrivate = user === undefined || (stat.uid === user && (stat.mode & 63) === 0)
    return stat.isDirectory() && isPrivate ? folder : undefined
  } catch (_error) {
    // Without a home folder, or on a read-only disk, it starts a little slower.
    return undefined
  }
}

/** The real path of $XDG_CACHE_HOME, ~/.cache, or the equivalent on Windows. */
function baseFolder(user) {
  var own = process.platform === 'win32' ? process.env.LOCALAPPDATA : process.env.XDG_CACHE_HOME
  var named = own && path.isAbsolute(own) ? own : process.env.HOME && path.join(process.env.HOME, '.cache')
  if (!named || !path.isAbsolute(named)) return undefined
  if (!fs.existsSync(named)) {
    if (!isSafe(fs.realpathSync.native(path.dirname(named)), user)) return undefined
    make(named)
  }
  var real = fs.realpathSync.native(named)
  return isSafe(real, user) ? real : undefined
}

/** Whether only this user and root can change the folder, or replace it or one above it. */
function isSafe(folder, user) {
  if (user === undefined) return true
  for (var at = folder; ; at = path.dirname(at)) {
    var stat = fs.lstatSync(at)
    var isSticky = at !== folder && (stat.mode & 512) !== 0
    if (!stat.isDirectory() || (stat.uid !== user && stat.uid !== 0) || ((stat.mode & 18) !== 0 && !isSticky))
      return false
    if (at === path.dirname(at)) return true
  }
}

function make(folder) {
  try {
    // Only its owner may look into it.
    fs.mkdirSync(folder, 448)
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
}
