-- Prepares a document for typst, which stops at what browsers and Word take in their stride:
-- links to nowhere, the same name twice, pictures it cannot show or may not have.
--
-- Writes the pictures into the working folder (picture-1.png), and to standard output how many
-- of them are left out. With DOCFERRY_PLAIN=1 no picture, link or formula is tried.

local is_plain = os.getenv("DOCFERRY_PLAIN") == "1"
local TEXT_WIDTH_IN = 6.3 -- of A4 with the margins of the template
local URL_CHARACTERS = 2000 -- typst takes 8000
local names = {} -- of headings: theirs -> ours
local headings, pictures, left_out = 0, 0, 0

local function kind_of(content)
  if content:sub(1, 8) == "\137PNG\r\n\26\n" then return "png" end
  if content:sub(1, 3) == "\255\216\255" then return "jpg" end
  if content:sub(1, 4) == "GIF8" then return "gif" end
  if content:sub(1, 4) == "RIFF" and content:sub(9, 12) == "WEBP" then return "webp" end
  if content:sub(1, 2000):find("<svg", 1, true) then return "svg" end
end

local function content_of(source)
  local _, content = pandoc.mediabag.lookup(source)
  -- Nothing else is fetched: `fetch` reads any file and asks any server, sandbox or not.
  if not content and source:sub(1, 5) == "data:" then
    local is_good, _, fetched = pcall(pandoc.mediabag.fetch, source)
    content = is_good and fetched or nil
  end
  return content
end

local function inches(length)
  local number, unit = (length or ""):match("^([%d.]+)(%a*)$")
  local per_inch = ({ ["in"] = 1, cm = 2.54, mm = 25.4, pt = 72, px = 96, [""] = 96 })[unit]
  return per_inch and tonumber(number) and tonumber(number) / per_inch
end

local function stand_in(image)
  left_out = left_out + 1
  local text = pandoc.utils.stringify(image.caption)
  return pandoc.Emph({ pandoc.Str("[" .. (text ~= "" and text or "picture") .. "]") })
end

local function Image(image)
  if is_plain then return stand_in(image) end
  local content = content_of(image.src)
  local kind = content and kind_of(content)
  if not kind then return stand_in(image) end
  pictures = pictures + 1
  local name = "picture-" .. pictures .. "." .. kind
  local file = assert(io.open(name, "wb"))
  file:write(content)
  file:close()
  local width, height = inches(image.attributes.width), inches(image.attributes.height)
  local attributes = {}
  if width and width > TEXT_WIDTH_IN then
    attributes.width = "100%"
  elseif width and width > 0 then
    attributes.width = width .. "in"
  elseif height and height > 0 and height < 9 then
    attributes.height = height .. "in"
  end
  return pandoc.Image(image.caption, name, "", pandoc.Attr("", {}, attributes))
end

local function Header(heading)
  heading.identifier = names[heading.identifier] and names[heading.identifier](heading) or ""
  return heading
end

local function Link(link)
  local target = link.target
  if not is_plain and target:sub(1, 1) == "#" then
    local name = names[target:sub(2)]
    if not name then return link.content end
    return pandoc.Link(link.content, "#" .. name())
  end
  local is_address = target:match("^https?://.") or target:match("^mailto:.")
  if is_plain or not is_address or #target > URL_CHARACTERS then return link.content end
  return pandoc.Link(link.content, target)
end

local function unnamed(element)
  element.identifier = ""
  return element
end

local function RawBlock(block)
  if block.format == "html" then return pandoc.read(block.text, "html").blocks end
  return {} -- typst's own too: it would be carried out
end

local function RawInline(inline)
  local is_break = inline.format == "html" and inline.text:lower():match("^<br%s*/?>")
  return is_break and pandoc.LineBreak() or {}
end

local function Math(math)
  if is_plain then return pandoc.Code(math.text) end
end

-- What follows at once would be taken for a part of the call: "#link(...)[x].y" is a field y
-- (pandoc issue 11511). A comment is nothing, wherever it stands.
local IS_CALL = {
  Emph = true, Strong = true, Strikeout = true, Underline = true, SmallCaps = true,
  Superscript = true, Subscript = true, Link = true, Image = true, Note = true, Code = true,
}
local IS_WRAPPER = { Span = true, Cite = true }
local IS_SPACE = { Space = true, SoftBreak = true, LineBreak = true }

local function ends_in_call(inline) -- and not in text, whose end could open another comment
  if IS_WRAPPER[inline.t] and #inline.content > 0 then
    return ends_in_call(inline.content[#inline.content])
  end
  return IS_CALL[inline.t]
end

local function Inlines(inlines)
  local apart = pandoc.Inlines({})
  for number, inline in ipairs(inlines) do
    apart:insert(inline)
    local following = inlines[number + 1]
    if following and ends_in_call(inline) and not IS_SPACE[following.t] then
      apart:insert(pandoc.RawInline("typst", "/**/"))
    end
  end
  return apart
end

local function learn_names(document)
  document:walk({
    Header = function(heading)
      local theirs = heading.identifier
      if theirs == "" or names[theirs] then return end
      headings = headings + 1
      local ours, is_given = "h" .. headings, false
      names[theirs] = function(asked_by)
        if not asked_by then return ours end
        if is_given then return "" end -- a second heading of this name
        is_given = true
        return ours
      end
    end,
  })
end

-- A page's title mostly says again what its first heading says: "Ferry - Encyclopedia".
local function learn_title(document)
  if not document.meta.title then return end
  local title = pandoc.utils.stringify(document.meta.title)
  document.meta.pdftitle = pandoc.MetaString(title)
  local first
  document:walk({
    Header = function(heading) first = first or pandoc.utils.stringify(heading.content) end,
  })
  if first and first ~= "" and title:find(first, 1, true) then document.meta.title = nil end
end

function Pandoc(document)
  learn_title(document)
  document = document:walk({ RawBlock = RawBlock, RawInline = RawInline })
  learn_names(document)
  document = document:walk({
    Code = unnamed,
    CodeBlock = unnamed,
    Div = unnamed,
    Figure = unnamed,
    Header = Header,
    Image = Image,
    Inlines = Inlines,
    Link = Link,
    Math = Math,
    Span = unnamed,
    Table = unnamed,
  })
  print(left_out)
  return document
end
